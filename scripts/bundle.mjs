// Bundles TypeScript with its imports into one file of plain JavaScript. A loader that translates
// at run time would also translate the threads' code and slow down what is measured (a barrier of
// two threads from 0.2 to 0.8 us).
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { build, transform } from 'esbuild';

/** Keeps paths relative to a source file valid wherever the bundle is written. `texts` says which
 * files get another file's text. */
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
