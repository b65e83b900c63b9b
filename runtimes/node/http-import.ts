import { registerHooks } from 'node:module';

/** Node's `http` module shows these, and an ESM import reads every property: 40 ms go into loading what is behind them. */
const COSTLY = ['WebSocket', 'CloseEvent', 'MessageEvent'] as const;

/**
 * Makes `import 'node:http'` cheap: hides the costly properties from the import (they remain for `require` and as
 * globals). Nothing is loaded before the author's code asks for the module.
 */
export function cheapenHttpImport(): void {
  const hook = registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'node:http' || specifier === 'http') {
        hook.deregister();
        const http = process.getBuiltinModule('node:http');
        for (const name of COSTLY) {
          const descriptor = Object.getOwnPropertyDescriptor(http, name);
          if (descriptor !== undefined)
            Object.defineProperty(http, name, { ...descriptor, enumerable: false });
        }
      }
      return next(specifier, context);
    },
  });
}
