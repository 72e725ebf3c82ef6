// Part of `npm version`: the section "Unreleased" of CHANGELOG.md becomes the new version with
// today's date, and CITATION.cff gets both. An empty section is an error.

import { readFileSync, writeFileSync } from 'node:fs';

const version = process.env.npm_package_version;
if (version === undefined) throw new Error('Run it with `npm version`, which sets the version.');
const date = new Date().toISOString().slice(0, 10);
const HEADING = '## Unreleased\n';

const changelog = readFileSync('CHANGELOG.md', 'utf8');
const [before, after] = changelog.split(HEADING);
if (after === undefined) throw new Error('CHANGELOG.md has no "## Unreleased".');
if (after.split(/^## /m)[0]?.trim() === '') {
  throw new Error('CHANGELOG.md has nothing under "## Unreleased".');
}
writeFileSync('CHANGELOG.md', `${before}${HEADING}\n## ${version} (${date})\n${after}`);

const citation = readFileSync('CITATION.cff', 'utf8')
  .replace(/^version: .*$/m, `version: ${version}`)
  .replace(/^date-released: .*$/m, `date-released: ${date}`);
writeFileSync('CITATION.cff', citation);
