require ["vacation","date","relational"];
if allof ( anyof ( date :value "ge" :zone "+0100" "date" "time" "18:00:00", date :value "lt" :zone "+0100" "date" "time" "08:00:00" ), currentdate :is "weekday" ["1", "2", "3", "4", "5"] ) { vacation :days 7 :addresses ["marie@exemple.fr"] text:
Bureau fermé.
.
;
}
