module lambent.dev/go

go 1.18
