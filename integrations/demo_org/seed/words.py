"""The words that names, texts and addresses of the demo company's world are made of. All invented."""

FIRST_NAMES = (
    "Amara", "Ben", "Chiara", "Daniel", "Elif", "Farid", "Grace", "Hana", "Ivan", "Julia", "Kenji", "Lena", "Mateo", "Nadia",
    "Oscar", "Priya", "Quinn", "Rosa", "Samuel", "Tessa", "Umar", "Vera", "William", "Ximena", "Yuki", "Zoë", "Anders",
    "Bianca",
    "Caleb", "Dana", "Emil", "Fiona", "Gustavo", "Helen", "Idris", "Jonas", "Katarzyna", "Liam", "Mei", "Noah", "Olivia",
    "Pavel", "Renée", "Søren", "Thandiwe", "Ursula", "Viktor", "Wanda", "Yara", "Zachary",
)  # fmt: skip
LAST_NAMES = (
    "Abara", "Bergström", "Castillo", "Dubois", "Eriksen", "Fontaine", "Garcia", "Hoffmann", "Ito", "Jensen", "Kowalski",
    "Larsen", "Moreau", "Nguyen", "O'Connor", "Petrov", "Quiñones", "Rossi", "Schneider", "Tanaka", "Ueda", "Van der Berg",
    "Walker", "Xu", "Yılmaz", "Zimmermann", "Archer", "Baker", "Coleman", "Diaz", "Ellis", "Foster", "Grant", "Hughes",
    "Ibrahim",
    "Johnson", "Kim", "López", "Müller", "Novák", "Okafor", "Patel", "Reyes", "Silva", "Thompson", "Vargas", "Weber", "Young",
    "Smith, Jr.", "King, III",
)  # fmt: skip
COMPANY_FIRST = (
    "Alder", "Amber", "Anchor", "Apex", "Aspen", "Aurora", "Bayside", "Beacon", "Birch", "Blue Heron", "Bright", "Brook",
    "Canyon", "Cedar", "Cinder", "Clear", "Cobalt", "Copper", "Coral", "Crest", "Delta", "Driftwood", "Eastgate", "Echo",
    "Ember",
    "Evergreen", "Falcon", "Fern", "Flint", "Foxglove", "Garnet", "Glacier", "Golden", "Granite", "Gull", "Harvest", "Hazel",
    "Highland", "Indigo", "Iron", "Ivory", "Juniper", "Keystone", "Lantern", "Lark", "Lunar", "Maple", "Meadow", "Meridian",
    "Mistral", "Moss", "Northwind", "Oak", "Onyx", "Orchard", "Osprey", "Pebble", "Pioneer", "Polar", "Prairie", "Quarry",
    "Raven", "Redwood", "Ridge", "River", "Saffron", "Sage", "Sierra", "Silver", "Slate", "Solstice", "Spruce", "Stellar",
    "Summit", "Tidal", "Timber", "Topaz", "Umber", "Valley", "Vista", "Willow", "Zephyr",
)  # fmt: skip
COMPANY_SECOND = (
    ("Analytics", "Technology"), ("Apparel", "Apparel"), ("Bank", "Banking"), ("Biotech", "Biotechnology"),
    ("Builders", "Construction"), ("Chemical", "Chemicals"), ("Clinics", "Healthcare"), ("Cloud", "Technology"),
    ("Components", "Electronics"), ("Consulting", "Consulting"), ("Devices", "Electronics"), ("Diagnostics", "Healthcare"),
    ("Education", "Education"), ("Energy", "Energy"), ("Engineering", "Engineering"), ("Farms", "Agriculture"),
    ("Foods", "Food & Beverage"), ("Freight", "Shipping"), ("Games", "Entertainment"), ("Health", "Healthcare"),
    ("Hotels", "Hospitality"), ("Insurance", "Insurance"), ("Interiors", "Retail"), ("Labs", "Biotechnology"),
    ("Learning", "Education"), ("Logistics", "Transportation"), ("Machinery", "Machinery"), ("Manufacturing", "Manufacturing"),
    ("Media", "Media"), ("Mobility", "Transportation"), ("Networks", "Telecommunications"), ("Outdoors", "Recreation"),
    ("Packaging", "Manufacturing"), ("Partners", "Consulting"), ("Pharma", "Biotechnology"), ("Power", "Utilities"),
    ("Recycling", "Environmental"), ("Robotics", "Machinery"), ("Security", "Technology"), ("Shipping", "Shipping"),
    ("Software", "Technology"), ("Studios", "Entertainment"), ("Supply", "Retail"), ("Systems", "Technology"),
    ("Telecom", "Telecommunications"), ("Textiles", "Apparel"), ("Trust", "Finance"), ("Ventures", "Finance"),
    ("Water", "Utilities"), ("Works", "Manufacturing"),
)  # fmt: skip
COMPANY_LAST = ("Inc.", "LLC", "Group", "Ltd", "GmbH", "Co.", "AG", "Holdings", "", "", "", "")
SPECIAL_COMPANIES = (
    'O\'Brien "Blue Door" Interiors', "Müller & Söhne Präzisionsteile GmbH", "Ångström Robotics AB", "株式会社みどり物流",
    "São Gonçalo Alimentos, S.A.", "Łódź Tekstylia Sp. z o.o.", "Café Noir, Inc.", "D’Angelo Shipping; Freight & Co.",
    "Ελιά Foods", "Näsström/Øst Energi A/S", "Bits & <Bytes> Studio", "50% Off Outlet_Stores", "\\Backslash\\ Media",
    "Société Générale des Pins – Lyon", "서울 Networks", "Hôtel “Deux Ponts”", "Tab\tless Systems", "Ünïcödé Labs 🚀",
)  # fmt: skip
# (city, state, country, region, subregion, latitude, longitude, dialing prefix)
PLACES = (
    ("Austin", "TX", "United States", "AMER", "North America", 30.267, -97.743, "+1 512 555 01"),
    ("Boston", "MA", "United States", "AMER", "North America", 42.36, -71.058, "+1 617 555 01"),
    ("Chicago", "IL", "United States", "AMER", "North America", 41.878, -87.63, "+1 312 555 01"),
    ("Denver", "CO", "United States", "AMER", "North America", 39.739, -104.99, "+1 303 555 01"),
    ("Portland", "OR", "United States", "AMER", "North America", 45.515, -122.678, "+1 503 555 01"),
    ("Raleigh", "NC", "United States", "AMER", "North America", 35.779, -78.638, "+1 919 555 01"),
    ("Seattle", "WA", "United States", "AMER", "North America", 47.606, -122.332, "+1 206 555 01"),
    ("Toronto", "ON", "Canada", "AMER", "North America", 43.653, -79.383, "+1 416 555 01"),
    ("São Paulo", "SP", "Brazil", "AMER", "Latin America", -23.55, -46.633, "+55 11 5550 01"),
    ("Monterrey", "NL", "Mexico", "AMER", "Latin America", 25.686, -100.316, "+52 81 5550 01"),
    ("Berlin", "BE", "Germany", "EMEA", "DACH", 52.52, 13.405, "+49 30 5550 01"),
    ("München", "BY", "Germany", "EMEA", "DACH", 48.137, 11.575, "+49 89 5550 01"),
    ("Zürich", "ZH", "Switzerland", "EMEA", "DACH", 47.377, 8.542, "+41 44 555 01"),
    ("London", "", "United Kingdom", "EMEA", "UK & Ireland", 51.507, -0.128, "+44 20 5550 01"),
    ("Dublin", "", "Ireland", "EMEA", "UK & Ireland", 53.35, -6.26, "+353 1 555 01"),
    ("Göteborg", "", "Sweden", "EMEA", "Nordics", 57.708, 11.974, "+46 31 555 01"),
    ("København", "", "Denmark", "EMEA", "Nordics", 55.676, 12.568, "+45 55 55 01"),
    ("Barcelona", "", "Spain", "EMEA", "Southern Europe", 41.385, 2.173, "+34 93 555 01"),
    ("東京", "東京都", "Japan", "APAC", "Japan", 35.677, 139.65, "+81 3 5550 01"),
    ("Melbourne", "VIC", "Australia", "APAC", "ANZ", -37.814, 144.963, "+61 3 5550 01"),
    ("Singapore", "", "Singapore", "APAC", "Southeast Asia", 1.352, 103.82, "+65 5550 01"),
)  # fmt: skip
STREETS = (
    "Harbor Street",
    "Mill Lane",
    "Station Road",
    "Market Square",
    "Pine Avenue",
    "Lindenallee",
    "Rue des Érables",
    "King's Way",
)
TITLES = (
    "Chief Executive Officer", "Chief Financial Officer", "Chief Operating Officer", "VP Operations", "VP Finance",
    "Director of Planning", "Director of IT", "Operations Manager", "Finance Manager", "IT Manager", "Business Analyst",
    "Procurement Lead", "Supply Chain Planner", "Systems Administrator", "Head of Transformation", "Controller",
)  # fmt: skip
DEPARTMENTS = ("Operations", "Finance", "IT", "Procurement", "Executive", "Sales")
FREE_MAIL = ("gmail.com", "outlook.com", "yahoo.com", "icloud.com", "gmx.de", "proton.me")
CASE_SUBJECTS = (
    "Cannot sign in after password change", "Export to spreadsheet stops at 10,000 rows", "Forecast differs from report",
    "How do we add a second workspace?", "Invoice shows the wrong seat count", "Import of cost centers fails",
    "Dashboard is slow on Monday mornings", "Single sign-on for a new domain", "Request: quarterly view in plans",
    "Numbers round differently in \"Insights\"", "User was removed but still counts", "Webhook deliveries arrive twice",
    "Date picker shows 1970", "Connector to the data warehouse lost its token", "Please extend our trial workspace",
)  # fmt: skip
COMMENTS = (
    "Thank you, we can see it on our side and are working on it.", "Could you send a screenshot of the settings page?",
    "This is fixed with today's release. Please confirm.", "We raised the limit for your workspace.",
    "The customer's team will test tomorrow.", "Handed over to engineering; next update on Thursday.",
)  # fmt: skip
NEXT_STEPS = (
    "Send proposal", "Security review", "Call with procurement", "Demo for finance team", "Legal redlines", "Reference call",
    "Confirm budget owner", "Pilot read-out",
)  # fmt: skip
PRAISE = (
    "Planning takes days now, not weeks.", "Support is outstanding.", "Our controllers love it.", "Good tool, fair price.",
    "Solid, a little slow with large models.", "Missing a proper audit trail.", "Too many clicks for simple changes.",
    "We could not get the connector to work.",
)  # fmt: skip
TOPICS = (
    "renewal", "expansion", "security", "pricing", "onboarding", "data quality", "integration", "executive sponsor",
    "reference", "churn risk", "beta program", "training",
)  # fmt: skip
CAMPAIGNS = (
    ("Spring Planning Summit", "Conference"), ("Forecasting Master Class", "Webinar"),
    ("Finance Leaders Breakfast", "Conference"),
    ("Budget Season Newsletter", "Email"), ("Partner Roadshow", "Partners"), ("Operations Expo", "Trade Show"),
    ("Refer a Peer", "Referral Program"), ("Search Ads: Planning Software", "Advertisement"),
    ("Month-End Close Guide", "Email"),
    ("Supply Chain Webinar Series", "Webinar"), ("Holiday Mailing", "Direct Mail"),
    ("Product Launch: Insights", "Public Relations"),
)  # fmt: skip
