// The known word that a mistyped one was probably meant to be, for hints.

/** The known word that is most similar to the typed one, if any: it has the same beginning, or few
 * letters differ. */
export function nearestWord(typed: string, known: readonly string[]): string | undefined {
  const longer = known.filter((word) => typed !== '' && word.startsWith(typed));
  if (longer.length === 1) return longer[0];
  const ranked = known
    .map((word) => ({ word, distance: editDistance(typed, word) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= mostChanges(typed.length) ? best.word : undefined;
}

/** Two changes turn most words of three letters into each other, so short words allow only one. */
function mostChanges(letters: number): number {
  return letters <= 3 ? letters / 3 : Math.max(2, letters / 3);
}

/** The number of letters to insert, delete or change (Levenshtein 1966). */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}
