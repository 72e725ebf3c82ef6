// The style of all pages: one column, system fonts, light and dark by the reader's settings.

export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --text: #1d2329; --soft: #57606a; --line: #d5dae0; --back: #ffffff; --panel: #f5f7f9;
  --good: #11734b; --bad: #b3261e; --open: #7a5c00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #dfe3e8; --soft: #9aa4af; --line: #363d45; --back: #14171a; --panel: #1d2227;
    --good: #5fd3a2; --bad: #ff8a80; --open: #e6c35c;
  }
}
* { box-sizing: border-box }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem;
  font: 16px/1.55 system-ui, sans-serif; color: var(--text); background: var(--back);
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .4rem }
h2 {
  font-size: 1.15rem; margin: 2.4rem 0 .8rem; padding-top: 1rem;
  border-top: 1px solid var(--line);
}
header p { color: var(--soft); margin: 0 }
p { max-width: 46rem; overflow-wrap: anywhere }
.flag { white-space: nowrap }
figure { margin: 1rem 0 }
figure svg { display: block; max-width: 100%; height: auto }
@media (min-width: 56rem) {
  .plots figure { display: inline-block; width: calc(50% - .4rem); vertical-align: top }
  .plots figcaption { padding-right: 1.5rem }
}
figcaption, caption { color: var(--soft); font-size: .875rem; text-align: left }
caption { padding-bottom: .4rem }
caption span {
  position: sticky; left: 0; display: inline-block; max-width: min(46rem, calc(100vw - 2rem));
}
.pictures > div {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1rem;
}
.row { display: grid; grid-template-columns: repeat(3, 1fr); gap: .3rem }
.row div { color: var(--soft); font-size: .8rem }
.row img {
  display: block; width: 100%; height: auto; outline: 1px solid var(--line);
  image-rendering: pixelated;
}
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin: .8rem 0; padding: 0 }
.legend { list-style: none; font-size: .875rem }
.legend span {
  display: inline-block; width: 1em; height: 1em; margin-right: .4em;
  border: 1px solid var(--soft); vertical-align: -.15em;
}
.scroll { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse; font-size: .9rem }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; border-bottom: 1px solid var(--line) }
th { font-weight: 600; white-space: nowrap; vertical-align: bottom }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
pre { overflow-x: auto; padding: .8rem 1rem; background: var(--panel); font-size: .875rem }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .7rem }
.figures div { padding: .6rem .8rem; background: var(--panel) }
dt { color: var(--soft); font-size: .8rem }
dd { margin: 0; font-size: 1.2rem; font-variant-numeric: tabular-nums }
.verdict { margin: 1rem 0; padding: .1rem 0 .1rem 1rem; border-left: 4px solid var(--line) }
.verdict p { margin: .35rem 0 }
.claim { font-weight: 600 }
.badge {
  padding: .05rem .5rem; border: 1px solid currentColor;
  font-size: .8rem; text-transform: uppercase;
}
.confirmed { border-color: var(--good) } .confirmed .badge { color: var(--good) }
.refuted { border-color: var(--bad) } .refuted .badge { color: var(--bad) }
.inconclusive { border-color: var(--open) } .inconclusive .badge { color: var(--open) }
`;
