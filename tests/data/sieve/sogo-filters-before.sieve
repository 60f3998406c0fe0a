require ["fileinto","vacation"];
if anyof (address :contains "from" "chef@") {
    fileinto "Chef";
    stop;
}
vacation :days 7 :addresses ["marie@exemple.fr"] text:
Je suis absente.
.
;
