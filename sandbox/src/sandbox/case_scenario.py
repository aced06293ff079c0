class NoScenario(Exception):
    pass
def scenario_of_case(case, exchanges): raise NoScenario("x")
