"""How the page looks."""

CSS = """:root { --ink: #1f2933; --soft: #5b6672; --line: #dfe4e9; --paper: #ffffff; --ground: #f5f7f9; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 12px; letter-spacing: -0.01em; }
h2 { font-size: 1.2rem; margin: 0 0 12px; }
.lead { font-size: 1.08rem; color: var(--soft); max-width: 46em; margin: 0 0 28px; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 22px 24px;
  margin: 0 0 20px; }
ul { margin: 0 0 16px; padding-left: 1.2em; max-width: 62em; }
section > p { max-width: 62em; margin: 0 0 12px; }
section > ul:last-child { margin-bottom: 0; }
li { margin: 4px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.94rem; }
th, td { padding: 8px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
.many { font-size: 0.84rem; }
.many th, .many td { padding: 7px 5px; }
thead th { color: var(--soft); font-weight: 600; }
tr > :first-child { text-align: left; }
tbody tr:last-child > * { border-bottom: 0; }
.notes { color: var(--soft); font-size: 0.88rem; }
.notes p { margin: 6px 0 0; max-width: 70em; }
p.notes { margin: 0 0 14px; }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 8px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 22px; }
figure { margin: 0; }
figcaption { font-size: 0.92rem; font-weight: 600; margin-bottom: 6px; }
figure img { width: 100%; max-width: 540px; height: auto; display: block; }
.clips { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)); gap: 18px; }
article { display: flex; gap: 16px; align-items: flex-start; }
video { width: 184px; height: 184px; flex: none; border-radius: 8px; border: 1px solid var(--line);
  image-rendering: pixelated; background: #e9edf0; }
dl { margin: 0; font-size: 0.9rem; line-height: 1.45; }
dt { color: var(--soft); font-weight: 600; font-size: 0.82rem; }
dd { margin: 0 0 6px; }
.chain { display: flex; gap: 16px; align-items: flex-start; margin: 12px 0; }
.chain .scroll { flex: 1; min-width: 0; }
.chain th { white-space: normal; }
.chain .caption { text-align: left; white-space: normal; min-width: 18em; width: 100%; }
.chain th, .chain td { padding: 6px 8px; vertical-align: top; }
code { font-size: 0.92em; }
.right { color: #1d6f42; }
.wrong { color: #b3261e; text-decoration: underline; text-decoration-thickness: 1px; text-underline-offset: 3px; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 6px 18px; }
.facts dt { font-size: 0.9rem; }
.facts dd { margin: 0; }
@media (max-width: 560px) {
  main { padding: 24px 12px 40px; }
  section { padding: 16px 14px; }
  h1 { font-size: 1.6rem; }
  article, .chain { flex-direction: column; gap: 8px; }
  video { width: 100%; height: auto; aspect-ratio: 1; max-width: 260px; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: 8px; }
}
"""
