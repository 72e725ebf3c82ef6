// The version of this package, from its own package.json, wherever the code was built to.

import { createRequire } from 'node:module';

export function packageVersion(): string {
  const manifest = createRequire(import.meta.url)('syncbn/package.json') as { version: string };
  return manifest.version;
}
