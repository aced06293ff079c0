"""The page of output documents: which there are, by act and clause, and what they rest on. Pure."""

from __future__ import annotations

from egovlaw.outputs import Outputs

HEAD = """# Output documents

Written by `egov forms page docs/reference/forms.md` from `contracts/forms`; `egov forms render CODE --lang kk -o FILE`
makes any of them with made-up data. *Printed* forms say word for word what the act's form says; where the act prints
none, or wants "произвольная форма", the document has the general layout and says so. A value that is missing stays the
act's blank line. Kazakh texts are restored or translated (E11), as the table says.
"""


def forms_page(outputs: Outputs) -> str:
    rows = [HEAD]
    last = ""
    for one in outputs.all:
        regulation, form = one.regulation, one.form
        if regulation.code != last:
            last = regulation.code
            rows += [f"\n## {regulation.code}\n", regulation.title_ru + "\n"]
            rows += [
                "| document | clause | form | file | Kazakh | decisions |",
                "| --- | --- | --- | --- | --- | --- |",
            ]
        origin = "general"
        if form.printed:
            origin = "printed, restored in part" if form.restored else "printed"
        cells = (
            f"`{one.code}`", one.clause or "-", origin, f"`{form.file}`", form.kk_status, ", ".join(form.decisions),
        )  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"
