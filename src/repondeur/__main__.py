from repondeur.cli import main

main()
