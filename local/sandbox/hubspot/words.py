"""Word lists the sandbox's deals are named with; every company is made up."""

from __future__ import annotations

_FIRST = """
Alder Amber Argo Åsgård Aurora Basalt Birch Bonfim Boréal Brook Cedar Célèste Cinder Cobalt
Coral Copper Delta Dorna Drift Dünen Eider Elm Ember Estrela Falcon Fennel Fjord Flint Forêt
Garnet Glacier Granit Grønn Harbour Hazel Heron Iberia Indigo Iris Jasper Juniper Kestrel
Klarälven Kōyō Larch Lark Lindwurm Lisière Łąka Maple Marlin Meridian Mistral Moss Nordlys
Oak Ocre Onyx Opal Osprey Peak Pinhal Praia Quarry Quill Raven Reed River Rosé Rowan Sable
Saffron Schiefer Sequoia Sierra Škoda-Hill Slate Sol Sorrel Spruce Steppe Summit Tamarin
Teal Terra Thistle Tundra Umbra Vale Velvet Vermilion Vltava Walnut Wren Yarrow Żubr Zenith
"""
FIRST = tuple(_FIRST.split())

_SECOND = """
Analytics Apparel Automation Bakeries Biotech Brewing Capital Cerâmica Chemicals Clinics
Consulting Dairy Design Electronics Energy Engineering Foods Freight Furniture Glass Health
Hotels Instruments Insurance Labs Logistics Machinery Marine Media Metals Mobility Möbel
Networks Optics Packaging Paper Pharma Plastics Properties Publishing Rail Robotics Seguros
Software Solar Systems Textiles Tools Transport Water
"""
SECOND = tuple(_SECOND.split())

FORM = (
    "AB",
    "AG",
    "A/S",
    "BV",
    "Cooperative",
    "GmbH",
    "& Co. KG",
    "Group",
    "Inc.",
    "Ltd",
    "Lda",
    "LLC",
    "Oy",
    "PLC",
    "S.A.",
    "S.L.",
    "S.r.l.",
    "SAS",
    "Sp. z o.o.",
    "株式会社",
)

SUBJECT = (
    "annual licence",
    "pilot",
    "renewal",
    "expansion, second site",
    "expansion, 50 seats",
    "data migration",
    "training days",
    "support plan Gold",
    "support plan Silver",
    "implementation",
    "framework agreement",
    "proof of concept",
    "upgrade to Enterprise",
    "reporting module",
    "planning module",
    "KPI workshop",
    "integration project",
    "three-year licence",
    "audit package",
    "add-on: mobile",
)

PEOPLE = (
    ("Amélie", "Rousseau"),
    ("Anders", "Lindqvist"),
    ("Ayşe", "Demir"),
    ("Beatriz", "Carvalho"),
    ("Caitlin", "O'Hara"),
    ("Chidi", "Eze"),
    ("Daniel", "Fischer"),
    ("Elif", "Kaya"),
    ("Emma", "Jansen"),
    ("Felipe", "Moura"),
    ("Grace", "Whitfield"),
    ("Hana", "Nováková"),
    ("Ines", "Prado"),
    ("Jakub", "Zieliński"),
    ("Kaito", "Mori"),
    ("Léa", "Dubois"),
    ("Marta", "Kowalczyk"),
    ("Nikos", "Papadakis"),
    ("Oliver", "Hughes"),
    ("Priya", "Raman"),
    ("Rasmus", "Holm"),
    ("Sofia", "Bianchi"),
    ("Tomás", "Ferreira"),
    ("Wei", "Chen"),
)

NEXT_STEPS = (
    "Send revised offer",
    "Call procurement",
    "Wait for legal review",
    "Book demo with the board",
    "Confirm start date",
    "Collect references",
)

LOST_REASONS = ("Price", "Chose a competitor", "No budget this year", "No answer", "Bad timing")

CITIES = (
    ("Aveiro", "Portugal"),
    ("Bergen", "Norway"),
    ("Gdańsk", "Poland"),
    ("Graz", "Austria"),
    ("Kyōto", "Japan"),
    ("Leeds", "United Kingdom"),
    ("Lyon", "France"),
    ("Münster", "Germany"),
    ("Providence", "United States"),
    ("Växjö", "Sweden"),
)

JOBS = (
    "Buyer",
    "CEO",
    "CFO",
    "Head of Operations",
    "Plant manager",
    "Project lead",
    "Quality manager",
)
