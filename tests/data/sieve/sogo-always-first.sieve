require ["fileinto","vacation"];
vacation :days 7 :addresses ["marie@exemple.fr"] text:
Je suis absente.
.
;
if anyof (header :contains "subject" "lettre") {
    fileinto "Lettres";
    stop;
}
