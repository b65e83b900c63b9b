module __app__

go 1.22

require lambent.dev/go v0.0.0

// The copy that came with Lambent; deployments use the server's own.
replace lambent.dev/go => ./.lambent/go
