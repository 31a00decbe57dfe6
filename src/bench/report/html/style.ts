/** Light and dark, from 320 pixels on. Colours of the arms differ in lightness too (Okabe and Ito). */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5f6670; --paper: #fff; --card: #f6f7f9; --rule: #d9dde3;
  --dns: #0067a3; --api: #00856a; --fallback: #c25200; --undici: #8a4b99; --control: #7a7f87;
  --good: #0b7a3b; --bad: #b3261e; --warn: #8a5a00; --warn-paper: #fff4dc; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #a2a9b3; --paper: #15181c; --card: #1e2227; --rule: #383e46;
    --dns: #5cb8f0; --api: #3fc9a7; --fallback: #f5a04c; --undici: #d69be4; --control: #9aa1ab;
    --good: #5fd38d; --bad: #ff8a80; --warn: #ffd479; --warn-paper: #33290f; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: clamp(1.2rem, 5vw, 1.6rem); line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p, li { overflow-wrap: anywhere; }
.soft, figcaption, .legend { color: var(--soft); font-size: .9rem; }
.notice { background: var(--warn-paper); color: var(--warn); border-left: 4px solid var(--warn); padding: .5rem .75rem; margin: .5rem 0; }
.answer { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem; padding: .75rem 1rem .75rem 2rem; margin: 1rem 0; }
.answer li { margin: .25rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; min-width: 100%; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child, th.left, td.left { text-align: left; }
td.wrap { white-space: normal; min-width: 10rem; text-align: left; }
#differences td:first-child { white-space: normal; }
td small { display: block; color: var(--soft); }
td.sum { font-weight: 600; }
td.part { padding-left: 1.4rem; }
.faster, .holds { color: var(--good); } .slower, .fails { color: var(--bad); } .unknown { color: var(--soft); }
figure { margin: 0; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
.chart { display: block; width: 100%; height: auto; }
.chart text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--rule); stroke-width: 1; }
.zero { stroke: var(--ink); stroke-width: 1.5; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
.line.control { stroke-dasharray: 5 4; }
.line.unsure { opacity: .45; stroke-width: 1.25; }
.dot { fill: currentColor; opacity: .7; }
.point { fill: currentColor; }
.dns { color: var(--dns); } .api { color: var(--api); } .fallback { color: var(--fallback); }
.undici { color: var(--undici); } .control { color: var(--control); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .25rem 0; }
.swatch { display: inline-block; width: 1.1em; height: .25em; margin-right: .4em; vertical-align: middle; background: currentColor; }
.swatch.control { background: repeating-linear-gradient(90deg, currentColor 0 .3em, transparent .3em .45em); }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
.narrow { display: none; }
@media (max-width: 40rem) { .wide { display: none; } .narrow { display: block; } body { padding-top: 1rem; } .panels { grid-template-columns: 1fr; } }
@media print { body { max-width: none; } .scroll { overflow: visible; } }
`
