
### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###
# DATA: {"version":1,"enabled":false,"subject":"Abwesend","message":"Ich bin im Urlaub."}
### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###