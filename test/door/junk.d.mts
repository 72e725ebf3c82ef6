// The types of junk.mjs.

export const JUNK: readonly (() => unknown)[];
export const OWN_ERROR: Error;
export function misbehaved(
  name: string,
  row: {
    readonly args: () => readonly unknown[];
    readonly call: (...args: readonly unknown[]) => unknown;
    readonly depth?: number;
  },
  isRefusal: (error: unknown) => boolean,
): Promise<string[]>;
