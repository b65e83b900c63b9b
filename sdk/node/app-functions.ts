/**
 * The functions of this app, by name. `lambent types` fills it in, so that `invoke` knows what each takes and gives;
 * without it every name is allowed and gives `unknown`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is there to be merged with
export interface AppFunctions {}

/** A function whose types nobody knows: it takes and gives any JSON. */
export interface UntypedFunction {
  readonly event: unknown;
  readonly result: unknown;
}

/**
 * A function whose handler a module exports: under this name, or else the one that the platform recognises. It only
 * says where the types are, so that functions that call others of the same app are no circle to the compiler.
 */
export interface FunctionIn<Module, Export extends string = never> {
  readonly module: Module;
  readonly export: Export;
}

/*
 * What a function takes is looked up without a look at what it gives (`void` is assignable from all). The compiler needs the former while it checks a
 * call, and the latter of a function that calls others is known only when its own calls are checked.
 */
type EventOfHandler<Called> = Called extends (...args: infer Args) => void
  ? Args extends readonly [infer Event, ...unknown[]]
    ? Event
    : unknown
  : unknown;
type ResultOfHandler<Called> = Called extends (...args: never) => infer Result ? Awaited<Result> : unknown;

type FetchExports = { readonly fetch: unknown } | { readonly default: { readonly fetch: unknown } };

/** The handler that a module exports; web apps have none, and take and give anything. */
type HandlerOf<Entry> =
  Entry extends FunctionIn<infer Module, infer Export>
    ? [Export] extends [never]
      ? Module extends FetchExports
        ? undefined
        : Module extends { readonly handler: infer Called }
          ? Called
          : Module extends { readonly default: infer Called }
            ? Called
            : undefined
      : Export extends keyof Module
        ? Module[Export]
        : undefined
    : undefined;

/** What an entry of `AppFunctions` takes. */
export type EventOf<Entry> = EventOfHandler<HandlerOf<Entry>>;
/** What it gives. What JSON changes on the way (a `Date` becomes text) is not in it. */
export type ResultOf<Entry> = ResultOfHandler<HandlerOf<Entry>>;
