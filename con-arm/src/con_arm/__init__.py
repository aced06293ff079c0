"""АРМ ИС ЦОН: the operator's workstation of a public service centre"""
