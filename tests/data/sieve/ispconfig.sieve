require ["fileinto", "regex", "date", "relational", "vacation", "imap4flags", "envelope", "subaddress", "copy", "reject"];

# Move spam to spam folder
if anyof (header :contains "X-Spam-Flag" "Yes", header :contains "X-Spam" "Yes") {
	fileinto "Junk";
	stop;
}
#################################################################
# Autoreply
#################################################################
if allof(currentdate :value "ge" "iso8601" "2027-08-01 00:00:00", currentdate :value "le" "iso8601" "2027-08-21 23:59:00") {
	vacation :days 1
		:subject "Out of office reply"
		# your optional signature
		:addresses ["info@exemple.fr"]
"Wir machen Betriebsferien.";
}
keep;
