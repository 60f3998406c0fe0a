require ["vacation","date","relational"];
if allof ( currentdate :value "le" "date" "2028-01-03" ) { vacation :days 7 :subject "Congés \"d'été\"" :addresses ["marie@exemple.fr"] text:
Cette adresse n'est plus lue.
.
;
discard;
}
