module stw

go 1.18
