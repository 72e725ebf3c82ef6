// Escapes text for XML and HTML.

const NAMES: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' };

/** The text with markup characters as entities, for elements and quoted attributes. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&${NAMES[letter]};`);
}
