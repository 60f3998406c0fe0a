require ["vacation"];
vacation :days 7 :addresses ["marie@exemple.fr"] text:
Je suis absente.
.
;
redirect "chez@moi.example";
