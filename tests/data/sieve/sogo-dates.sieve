require ["vacation","date","relational","variables"];
if allof ( not exists ["list-help", "list-unsubscribe", "list-subscribe", "list-owner", "list-post", "list-archive", "list-id", "Mailing-List"], not header :comparator "i;ascii-casemap" :is "Precedence" ["list", "bulk", "junk"], not header :comparator "i;ascii-casemap" :matches "To" "Multiple recipients of*", currentdate :value "ge" "date" "2027-12-20", currentdate :value "le" "date" "2028-01-03" ) { if header :matches "Subject" "*" { set "subject" "${1}"; } vacation :days 3 :subject "Out of office: ${subject}" :addresses ["marie@exemple.fr"] text:
Away until 3 January, "really".
C:\temp
.
;
}
