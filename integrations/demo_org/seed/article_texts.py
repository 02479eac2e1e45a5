"""The texts of the demo company's help articles: (feature, state, who sees them besides the staff, text by language).

Seen by: p public knowledge base, c customers, r partners. A text is `[language] title`, a summary, then the body.
"""

ARTICLES = (
    ("Planning", "Online", "pcr", """
[en_US] How to connect a spreadsheet
Bring a spreadsheet into a plan and keep it up to date.
A connected spreadsheet is read each night, or whenever you press **Refresh**.
1. Open **Settings** and choose **Sources**.
1. Select **New source**, then **Spreadsheet**.
1. Pick the file and the sheet, and check the preview.
1. Match the columns with your measures and press **Connect**.
Columns without a match are left out. A sheet can have up to 100,000 rows.

[de] Eine Tabelle verbinden
Eine Tabelle in einen Plan holen und aktuell halten.
Eine verbundene Tabelle wird jede Nacht gelesen, oder sobald Sie **Aktualisieren** wählen.
1. Öffnen Sie **Einstellungen** und wählen Sie **Quellen**.
1. Wählen Sie **Neue Quelle**, dann **Tabelle**.
1. Ordnen Sie die Spalten Ihren Kennzahlen zu."""),
    ("Workspace", "Online", "pcr", """
[en_US] Reset your password
What to do when you cannot sign in any more.
Choose **Forgot password?** on the sign-in page and enter your e-mail address. We send a link that works for one hour.
- No mail after ten minutes? Look into the spam folder.
- Your company uses single sign-on? Then reset the password there.
- After five wrong tries the account is locked for 15 minutes.

[de] Passwort zurücksetzen
Was zu tun ist, wenn die Anmeldung nicht mehr gelingt.
Wählen Sie **Passwort vergessen?** auf der Anmeldeseite. Wir senden einen Link, der eine Stunde lang gilt.

[fr] Réinitialiser votre mot de passe
Que faire si vous ne pouvez plus vous connecter.
Choisissez **Mot de passe oublié ?** sur la page de connexion. Le lien envoyé est valable une heure."""),
    ("Workspace", "Online", "pc", """
[en_US] Set up single sign-on
Let people sign in with your own identity provider (SAML or OpenID Connect).
Only administrators can do this, in the plan Team or above.
1. Open **Settings**, then **Security**, then **Single sign-on**.
1. Copy the callback address into your identity provider.
1. Paste the provider's metadata address and press **Test**.
1. Turn on **Required** once the test succeeds.
# If you lock yourself out
Administrators can always sign in at `/login/local` with a one-time code.

[de] Single Sign-on einrichten
Anmeldung über den eigenen Identitätsanbieter.
Öffnen Sie **Einstellungen**, dann **Sicherheit**, dann **Single Sign-on**."""),
    ("Forecasting", "Online", "pcr", """
[en_US] Build your first forecast
From an empty page to a forecast for the next four quarters.
Start from a template and pick the measures you need.
1. Choose **New forecast** and a template.
1. Select the history: at least 12 months are needed, 36 are better.
1. Choose a method. **Automatic** compares five and takes the best.
1. Review the range and press **Publish**.
The shaded band shows where 8 of 10 results should fall."""),
    ("Workspace", "Online", "pcr", """
[en_US] Share a workspace with a colleague
Give somebody access to read or to plan.
Open the workspace and choose **Share**. Enter an e-mail address and a role.
- **Viewer** reads plans and dashboards.
- **Planner** also enters numbers.
- **Owner** also invites others and deletes the workspace."""),
    ("Insights", "Online", "pc", """
[en_US] What the health score means
How use, support and survey answers become one number.
The score runs from 0 to 100 and is computed each night. It joins use of the product, open support cases and survey answers.
- 70 and more is **good**.
- 40 to 69 is **fair**: somebody should look.
- Below 40 is **poor**.

[de] Was der Health Score bedeutet
Wie aus Nutzung, Support und Umfragen eine Zahl wird.
Der Wert reicht von 0 bis 100 und wird jede Nacht berechnet."""),
    ("Planning", "Online", "pcr", """
[en_US] Import cost centers
Load the tree of cost centers from a file.
Use a file with the columns `Code`, `Name` and `Parent`. The parent of a top cost center stays empty.
Codes are compared without regard to upper and lower case. Existing cost centers are renamed, never deleted."""),
    ("Connect", "Online", "pc", """
[en_US] Use the connector for data warehouses
Read from and write to your data warehouse.
Create a read-only user first. The connector needs `SELECT` on the tables that you choose, and nothing else.
1. Allow our addresses in your firewall (see **Addresses of our servers**).
1. Enter host, database, user and password.
1. Press **Test connection**.
Writing back needs a schema of its own and the right to create tables in it."""),
    ("Insights", "Online", "pcr", """
[en_US] Understand rounding in reports
Why a total can differ from the sum of the lines.
Totals are rounded once, at the end. Lines are rounded for display only, so their sum may differ by one in the last place.
Example: 33.3 %, 33.3 % and 33.3 % add up to 100 %, not to 99.9 %."""),
    ("Connect", "Online", "pc", """
[en_US] Webhooks: retries and signatures
How deliveries are signed, and what happens when your server is down.
Each delivery is signed and tried for one day: after 1, 5 and 30 minutes, then each hour.
The header `X-Signature` holds the hex HMAC-SHA256 of the body. Compare it in constant time.
Answer with a status from 200 to 299 within ten seconds. Do the work afterwards."""),
    ("Planning", "Online", "pcr", """
[en_US] Lock a period after the close
Keep closed months from being changed.
Choose **Plan**, then **Periods**, and lock the month. Locked numbers can still be commented.
An owner can unlock a period for one hour. The audit trail shows who did."""),
    ("Planning", "Online", "pc", """
[en_US] Move a plan to the next year
Copy structure and assumptions, not the numbers.
1. Open the plan and choose **Roll forward**.
1. Select which assumptions move along.
1. Check the new plan, then archive the old one."""),
    ("Forecasting", "Online", "pc", """
[en_US] Why did my forecast change?
Find the reason for a new number.
Open the forecast and choose **Explain**. You see the share of each cause: new history, changed assumptions, another method.
If only the method changed, choose **Keep method** to hold it for a year."""),
    ("Forecasting", "Online", "c", """
[en_US] Exclude one-off events from history
Tell the forecast to ignore a strike, a move or a big one-time order.
Mark the months in the history chart and choose **Leave out**. The chart shows them hatched.
Up to a quarter of the history can be left out."""),
    ("Workspace", "Online", "pcr", """
[en_US] Change language, time zone and number format
Settings that only you see.
Open **My profile**. Language and number format take effect at once; the time zone also moves the times of your reminders."""),
    ("Workspace", "Online", "pcr", """
[en_US] Notifications: what you get and how to stop them
Choose mail, app or nothing for each kind of message.
Open **My profile**, then **Notifications**. Mails about your own approvals cannot be switched off."""),
    ("Workspace", "Online", "pc", """
[en_US] Add or remove licenses
How many people can plan, and where to change it.
Owners find **Licenses** under **Settings**. More licenses take effect at once and are billed pro rata.
Fewer licenses take effect with the next renewal.
Readers need no license."""),
    ("Insights", "Online", "pcr", """
[en_US] Build a dashboard
Put charts and tables on one page and share it.
Choose **New dashboard**, drag measures onto the page, and set a filter for all of them at the top.
A dashboard shows what its reader may see: two people can see different numbers."""),
    ("Insights", "Online", "pc", """
[en_US] Export to a spreadsheet or PDF
What an export contains, and its limits.
Choose **Export** in the menu of a table. Spreadsheets keep formulas of totals; PDF keeps the layout.
- At most 500,000 cells in a spreadsheet.
- Exports are kept for seven days.

[de] Als Tabelle oder PDF exportieren
Was ein Export enthält und wo seine Grenzen liegen.
Wählen Sie **Exportieren** im Menü einer Tabelle."""),
    ("Connect", "Online", "pc", """
[en_US] API keys: create, rotate, revoke
Access for your own programs.
Owners create keys under **Settings**, then **API**. The key is shown once.
To rotate, create a second key, switch your programs over, then revoke the first. Revoked keys are refused within a second."""),
    ("Connect", "Online", "pc", """
[en_US] Addresses of our servers
What to allow in a firewall.
Connections to your systems come from fixed addresses. They are listed at **Settings**, then **Connect**, then **Addresses**.
We announce changes 30 days ahead."""),
    ("Connect", "Online", "c", """
[en_US] Connect Salesforce
Show usage beside your accounts, and use CRM fields in plans.
1. Ask your Salesforce administrator for an integration user.
1. Open **Settings**, then **Connect**, then **Salesforce**, and sign in as that user.
1. Choose which fields to read and which to write.
Only fields that begin with `PX_` are ever written."""),
    ("Workspace", "Online", "pcr", """
[en_US] Close your account and delete data
What is deleted, and when.
An owner can close the account under **Settings**. Data is kept for 30 days, then deleted; backups expire after another 35 days.
Export what you need first."""),
    ("Workspace", "Online", "pcr", """
[en_US] Status page and planned maintenance
Where to see whether something is down.
Subscribe to the status page by mail. Planned maintenance is on the first Sunday of a month, 02:00 to 04:00 UTC."""),
    ("Workspace", "Online", "", """
[en_US] Support: how to check a customer's plan (internal)
For our own staff only.
Look up the account in the CRM, open the tab **Subscription**, and compare the seats.
Never read a customer's numbers without a case."""),
    ("Forecasting", "Draft", "pcr", """
[en_US] Forecast by scenario (preview)
Compare three futures side by side.
This feature is in preview. Ask your customer success manager for access."""),
    ("Connect", "Archived", "pcr", """
[en_US] The old desktop connector
No longer supported.
The desktop connector was switched off. Use the connector for data warehouses instead."""),
)  # fmt: skip
