import type { Json } from './json-value.ts';

/* What a parsed path is made of. */

export type PathStep =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'indices'; readonly indices: readonly number[] }
  | { readonly kind: 'slice'; readonly start?: number; readonly end?: number; readonly step?: number }
  | { readonly kind: 'wildcard' }
  | { readonly kind: 'descend' }
  | { readonly kind: 'filter'; readonly test: FilterTest }
  | { readonly kind: 'function'; readonly name: string; readonly argument: Json | undefined };

export interface JsonPath {
  readonly text: string;
  /** `$`: the data. `$$`: the context object. Otherwise the name of a variable. */
  readonly root: '$' | '$$' | { readonly variable: string };
  readonly steps: readonly PathStep[];
  readonly definite: boolean;
}

export type PathResult =
  | { readonly found: true; readonly value: Json }
  /** `why` in the words of the Jayway library, which AWS passes on. */
  | { readonly found: false; readonly why: string };

/** One side of a filter's comparison. */
export type Operand =
  | { readonly path: JsonPath; readonly relative: boolean }
  | { readonly value: Json }
  | { readonly pattern: RegExp };
export type FilterTest =
  | { readonly kind: 'or' | 'and'; readonly tests: readonly FilterTest[] }
  | { readonly kind: 'not'; readonly test: FilterTest }
  | { readonly kind: 'exists'; readonly operand: Operand }
  | { readonly kind: 'compare'; readonly operator: string; readonly left: Operand; readonly right: Operand };
