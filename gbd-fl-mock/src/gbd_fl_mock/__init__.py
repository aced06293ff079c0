"""ГБД ФЛ: twin of the person register"""
