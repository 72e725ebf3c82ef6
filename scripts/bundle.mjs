// Bundles TypeScript with its imports into one file of plain JavaScript. A loader that translates on
// the fly would translate the threads' code, too, and slow down what is measured (a barrier of two
// threads from 0.2 to 0.8 us).
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { build, transform } from 'esbuild';

/** Paths relative to a source file hold wherever the bundle is written. `texts` says which files
 * have the text of another. */
const keepUrls = (texts) => ({
  name: 'keepUrls',
  setup({ onLoad }) {
    onLoad({ filter: /(src|bench|test)\/.*\.ts$/ }, async ({ path }) => {
      const define = { 'import.meta.url': JSON.stringify(pathToFileURL(path).href) };
      const { code } = await transform(await readFile(texts[path] ?? path, 'utf8'), {
        loader: 'ts',
        target: 'node20',
        define,
      });
      return { contents: code, loader: 'js' };
    });
  },
});

/** Writes `outfile` from the file `entry`. */
export async function bundle(entry, outfile, texts = {}) {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    logLevel: 'error',
    plugins: [keepUrls(texts)],
  });
}
