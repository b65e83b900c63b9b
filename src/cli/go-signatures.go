// Reads what programs in Go say of their events and results, for `lambent types`.
//
// Standard input is JSON, `[{"folder": ..., "file": ...}]` (file: the only one of the program, or empty); standard output
// is a list of as many pairs of TypeScript types, `[event, result]`, the event empty where the handler takes none, or null.
// The files are parsed, never compiled or run: what they import is not there to be known, and is `unknown`. So is a type
// that refers to itself.
package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

const unknown = "unknown"

// starts are the functions that take a handler, by the module that has them.
var starts = map[string]map[string]bool{
	"lambent.dev/go":                      {"Start": true},
	"github.com/aws/aws-lambda-go/lambda": {"Start": true, "StartWithOptions": true, "StartWithContext": true},
}

var basics = map[string]string{
	"string": "string", "bool": "boolean", "any": unknown, "error": unknown,
	"int": "number", "int8": "number", "int16": "number", "int32": "number", "int64": "number", "rune": "number",
	"uint": "number", "uint8": "number", "uint16": "number", "uint32": "number", "uint64": "number", "byte": "number",
	"float32": "number", "float64": "number",
}

// foreign types whose JSON is known without their package.
var foreign = map[string]string{
	"time.Time": "string", "time.Duration": "number", "json.Number": "number",
}

type program struct {
	types     map[string]ast.Expr
	functions map[string]*ast.FuncType
	handler   ast.Expr
	// nullable: what is written may be null where Go has nil.
	nullable bool
	open     map[string]bool
}

func main() {
	var asked []struct{ Folder, File string }
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		os.Exit(1)
	}
	found := make([]*[2]string, len(asked))
	for i, each := range asked {
		found[i] = signatureOf(each.Folder, each.File)
	}
	_ = json.NewEncoder(os.Stdout).Encode(found)
}

func signatureOf(folder, file string) *[2]string {
	p := &program{types: map[string]ast.Expr{}, functions: map[string]*ast.FuncType{}, open: map[string]bool{}}
	paths := []string{filepath.Join(folder, file)}
	if file == "" {
		paths, _ = filepath.Glob(filepath.Join(folder, "*.go"))
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil
		}
		p.take(tree)
	}
	return p.signature()
}

func (p *program) take(tree *ast.File) {
	names := map[string]map[string]bool{}
	for _, spec := range tree.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		known := starts[path]
		if known == nil {
			continue
		}
		name := map[bool]string{true: "lambent", false: "lambda"}[path == "lambent.dev/go"]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = known
	}
	for _, decl := range tree.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil && decl.Type.TypeParams == nil {
				p.functions[decl.Name.Name] = decl.Type
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok && spec.TypeParams == nil {
					p.types[spec.Name.Name] = spec.Type
				}
			}
		}
	}
	ast.Inspect(tree, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
			if module, ok := selector.X.(*ast.Ident); ok && names[module.Name][selector.Sel.Name] && p.handler == nil {
				p.handler = call.Args[0]
			}
		}
		return true
	})
}

func (p *program) signature() *[2]string {
	var handler *ast.FuncType
	switch given := p.handler.(type) {
	case *ast.FuncLit:
		handler = given.Type
	case *ast.Ident:
		handler = p.functions[given.Name]
	}
	if handler == nil {
		return nil
	}
	takes, gives := listed(handler.Params), listed(handler.Results)
	if len(takes) > 0 && named(takes[0]) == "context.Context" {
		takes = takes[1:]
	}
	if len(gives) > 0 && named(gives[len(gives)-1]) == "error" {
		gives = gives[:len(gives)-1]
	}
	// More is no handler of events: a web handler has two parameters.
	if len(takes) > 1 || len(gives) > 1 {
		return nil
	}
	signature := [2]string{"", "null"}
	if len(takes) == 1 {
		signature[0] = p.write(takes[0])
	}
	if len(gives) == 1 {
		p.nullable = true
		signature[1] = p.write(gives[0])
	}
	return &signature
}

// listed gives the type of each parameter or result: `a, b int` are two.
func listed(fields *ast.FieldList) []ast.Expr {
	var types []ast.Expr
	if fields == nil {
		return types
	}
	for _, field := range fields.List {
		for range max(1, len(field.Names)) {
			types = append(types, field.Type)
		}
	}
	return types
}

func named(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.Ident:
		return expr.Name
	case *ast.SelectorExpr:
		if module, ok := expr.X.(*ast.Ident); ok {
			return module.Name + "." + expr.Sel.Name
		}
	}
	return ""
}

// write gives the TypeScript type of what encoding/json makes of a type.
func (p *program) write(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.ParenExpr:
		return p.write(expr.X)
	case *ast.StarExpr:
		return orNull(p.write(expr.X))
	case *ast.ArrayType:
		return p.list(expr)
	case *ast.MapType:
		return p.orNil("Record<string, " + p.write(expr.Value) + ">")
	case *ast.StructType:
		return p.object(expr)
	case *ast.SelectorExpr:
		if known, ok := foreign[named(expr)]; ok {
			return known
		}
	case *ast.Ident:
		if declared, ok := p.types[expr.Name]; ok {
			return p.declared(expr.Name, declared)
		}
		if known, ok := basics[expr.Name]; ok {
			return known
		}
	}
	return unknown
}

func (p *program) declared(name string, expr ast.Expr) string {
	if p.open[name] {
		return unknown
	}
	p.open[name] = true
	defer delete(p.open, name)
	return p.write(expr)
}

func (p *program) list(expr *ast.ArrayType) string {
	element := named(expr.Elt)
	if _, ours := p.types[element]; expr.Len == nil && !ours && (element == "byte" || element == "uint8") {
		return p.orNil("string") // In base64.
	}
	text := p.write(expr.Elt)
	if strings.Contains(text, "|") {
		text = "(" + text + ")"
	}
	if expr.Len != nil {
		return text + "[]"
	}
	return p.orNil(text + "[]")
}

func (p *program) orNil(text string) string {
	if p.nullable {
		return orNull(text)
	}
	return text
}

func orNull(text string) string {
	if text == unknown || strings.HasSuffix(text, " | null") {
		return text
	}
	return text + " | null"
}

func (p *program) object(expr *ast.StructType) string {
	var members []string
	for _, field := range expr.Fields.List {
		if len(field.Names) == 0 {
			// Its fields are merged into this one by rules of their own.
			return "{ [name: string]: unknown }"
		}
		tag := ""
		if field.Tag != nil {
			text, _ := strconv.Unquote(field.Tag.Value)
			tag = reflect.StructTag(text).Get("json")
		}
		for _, name := range field.Names {
			if member := p.member(name.Name, tag, field.Type); name.IsExported() && member != "" {
				members = append(members, member)
			}
		}
	}
	if len(members) == 0 {
		return "Record<string, never>"
	}
	return "{ " + strings.Join(members, "; ") + " }"
}

func (p *program) member(name, tag string, expr ast.Expr) string {
	if tag == "-" {
		return ""
	}
	given, options, _ := strings.Cut(tag, ",")
	if given != "" {
		name = given
	}
	text := p.write(expr)
	if strings.Contains(","+options+",", ",string,") {
		text = "string"
	}
	mark := ""
	if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
		mark = "?"
	}
	quoted, _ := json.Marshal(name)
	return string(quoted) + mark + ": " + text
}
