"""List the Welsh names of the 22 local authorities of Wales, which no publication that is read here has.

The names are facts of law: the Local Government (Wales) Act 1994, Schedule 1, in Welsh next to the English, and the
changes of name since (Ynys Môn, Gwynedd, Conwy, Ceredigion, Castell-nedd Port Talbot, Rhondda Cynon Taf). They are
written as by the Department for Work and Pensions next to the codes in Children in low income families, local
area statistics, 2022 to 2025 (Table 2; Open Government Licence v3.0). ONS writes Torfaen for Tor-faen.
"""

WELSH_NAMES = {
    "W06000001": "Ynys Môn",
    "W06000002": "Gwynedd",
    "W06000003": "Conwy",
    "W06000004": "Sir Ddinbych",
    "W06000005": "Sir y Fflint",
    "W06000006": "Wrecsam",
    "W06000008": "Ceredigion",
    "W06000009": "Sir Benfro",
    "W06000010": "Sir Gaerfyrddin",
    "W06000011": "Abertawe",
    "W06000012": "Castell-nedd Port Talbot",
    "W06000013": "Pen-y-bont ar Ogwr",
    "W06000014": "Bro Morgannwg",
    "W06000015": "Caerdydd",
    "W06000016": "Rhondda Cynon Taf",
    "W06000018": "Caerffili",
    "W06000019": "Blaenau Gwent",
    "W06000020": "Tor-faen",
    "W06000021": "Sir Fynwy",
    "W06000022": "Casnewydd",
    "W06000023": "Powys",
    "W06000024": "Merthyr Tudful",
}
"""By code."""
