module switches

go 1.18
