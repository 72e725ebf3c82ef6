// launch as it is when built, since threads run built files.

import type { launch as Launch } from '../../../src/runtime/launch.ts';

/** The URL of the built library, for programs that import it. */
export const BUILT_URL = new URL('../../../dist/index.js', import.meta.url).href;

/** The built launch. It has error classes of its own. */
export async function launchBuilt(): Promise<typeof Launch> {
  const { launch } = await import(/* @vite-ignore */ BUILT_URL);
  return launch as typeof Launch;
}
