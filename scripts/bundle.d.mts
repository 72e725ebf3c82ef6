/** Writes `outfile` from the file `entry`; `texts` says which files have the text of another. */
export function bundle(
  entry: string,
  outfile: string,
  texts?: Readonly<Record<string, string>>,
): Promise<void>;
