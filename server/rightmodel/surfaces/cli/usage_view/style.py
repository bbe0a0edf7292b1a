"""How the page looks: one column, readable in light and dark, from a phone to a wide screen."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --page: #fff; --text: #1f2328; --quiet: #59636e; --line: #d1d9e0;
  --faint: #f6f8fa; --spent: #0969da; --saved: #1a7f37; --lost: #bc4c00; --fault: #bf3989;
  --time: #6639ba; --late: #a475f9; --caution: #fff8c5; --edge: #d4a72c; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0d1117; --text: #e6edf3; --quiet: #9ea7b3; --line: #3d444d; --faint: #151b23;
    --spent: #4493f8; --saved: #3fb950; --lost: #f0883e; --fault: #f778ba; --time: #a371f7;
    --late: #8957e5; --caution: #2a2410; --edge: #9e7700; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 66rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0.5rem 0 0; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 0.5rem; }
p { margin: 0.5rem 0; }
.quiet, footer { color: var(--quiet); font-size: 0.9rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: 0.75rem;
  margin: 1rem 0; padding: 0; list-style: none; }
.cards li { background: var(--faint); border: 1px solid var(--line); border-radius: 0.5rem;
  padding: 0.75rem; }
.cards .what { color: var(--quiet); font-size: 0.9rem; }
.cards .much { display: block; font-size: clamp(1.125rem, 5vw, 1.5rem); font-weight: 600;
  white-space: nowrap; }
.caution { background: var(--caution); border-left: 0.25rem solid var(--edge);
  padding: 0.5rem 0.75rem; margin: 0.75rem 0; }
.caution p { margin: 0.25rem 0; }
.scroll { overflow-x: auto; margin: 0.75rem 0; }
.scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--spent); }
table { border-collapse: separate; border-spacing: 0; font-size: 0.875rem;
  font-variant-numeric: tabular-nums; }
.glance { width: 100%; }
th, td { padding: 0.3rem 0.55rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; vertical-align: top; }
thead th { color: var(--quiet); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 400; }
th:first-child { text-align: left; padding-left: 0; position: sticky; left: 0;
  background: var(--page); }
tbody th:first-child { white-space: normal; min-width: 11rem; }
.part th { padding-left: 1rem !important; color: var(--quiet); }
details { margin: 0.75rem 0; }
summary { cursor: pointer; color: var(--quiet); font-size: 0.9rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin: 0.5rem 0; padding: 0;
  list-style: none; font-size: 0.875rem; }
.swatch { display: inline-block; width: 0.8rem; height: 0.8rem; margin-right: 0.4rem;
  border-radius: 2px; vertical-align: -0.05rem; }
.bars { margin: 0.75rem 0; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
.row { display: grid; grid-template-columns: minmax(8rem, 16rem) 1fr; gap: 0 1rem;
  padding: 0.35rem 0; align-items: center; }
.line { display: grid; grid-template-columns: 1fr var(--figure); gap: 0.5rem;
  align-items: center; }
.track { min-width: 0; }
.whole .track { background: var(--line); border-radius: 2px; margin: 0.15rem 0; }
.whole .bar { margin: 0; }
.bar { height: 0.75rem; border-radius: 0 2px 2px 0; margin: 0.15rem 0; }
.figure { white-space: nowrap; }
.spent { background: var(--spent); fill: var(--spent); }
.saved { background: var(--saved); fill: var(--saved); }
.lost { background: var(--lost); fill: var(--lost); }
.fault { background: var(--fault); }
.half { background: var(--time); }
.late { background: var(--late); }
.good { background: var(--saved); }
.time { margin: 1rem 0; font-size: 0.8125rem; color: var(--quiet);
  font-variant-numeric: tabular-nums; }
.plot { position: relative; height: 14rem; margin: 0.75rem 0 0 calc(var(--axis) + 0.5rem); }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.mark { position: absolute; left: 0; right: 0; border-top: 1px solid var(--line); }
.mark.zero { border-top-color: var(--quiet); }
.mark span { position: absolute; right: 100%; top: 0; padding-right: 0.5rem;
  transform: translateY(-50%); white-space: nowrap; }
.hover { fill: transparent; }
g:hover .hover { fill: var(--line); fill-opacity: 0.5; }
.names { position: relative; height: 1.5rem; margin-left: calc(var(--axis) + 0.5rem); }
.names span { position: absolute; top: 0.25rem; transform: translateX(-50%); white-space: nowrap; }
.names .first { transform: none; left: 0 !important; }
.names .last { transform: none; left: auto !important; right: 0; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 0.75rem; }
@media (max-width: 40rem) {
  .row { grid-template-columns: 1fr; }
  .names .between { display: none; }
  tbody th:first-child { min-width: 8.5rem; }
  .glance { font-size: 0.8125rem; }
  .glance th, .glance td { white-space: normal; overflow-wrap: normal; padding: 0.3rem; }
  .glance tbody th:first-child { min-width: 6rem; padding-left: 0; }
}
"""
