"""The report's style sheet, its only one: the page's Content-Security-Policy names its hash and allows no other."""

from __future__ import annotations

import base64
import hashlib

from livemerc.report.colours import DARK_GROUND, LIGHT_GROUND, variables
from livemerc.report.markup import Html, raw, tag

_LIGHT = "--ground:#ffffff;--panel:#f3f5f7;--ink:#1b222a;--dim:#535f6d;--rule:#c6ced6;--link:#0a4fa8;--bad:#b3201b"
_DARK = "--ground:#14181d;--panel:#1c2229;--ink:#dfe5ec;--dim:#9aa7b5;--rule:#3a4450;--link:#7cbcff;--bad:#ff8078"

_RULES = """
*{box-sizing:border-box}
body{margin:0 auto;max-width:52rem;padding:1.2rem 1.4rem 3rem;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",Arial,sans-serif;
overflow-wrap:anywhere}
h1{font-size:1.65rem;line-height:1.2;margin:.2em 0 .5em}
h2{font-size:1.25rem;margin:2.2em 0 .6em;padding-top:.5em;border-top:2px solid var(--rule)}
h3{font-size:1.02rem;margin:1.5em 0 .4em}
p,ul,ol,dl,table,figure{margin:.5em 0 .9em}
a{color:var(--link)}
small,.dim,figcaption,caption{color:var(--dim)}
small,figcaption,caption{font-size:.84rem}
.ink{color:var(--t)}
.ink i,.mark i{font-style:normal}
svg .ink{fill:var(--t)}
dl.head{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}
dl.head dt{color:var(--dim)}
dl.head dd{margin:0}
.note{border:1px solid var(--rule);border-left:5px solid var(--dim);background:var(--panel);padding:.5rem .9rem;
margin:.8em 0}
.note.bad{border-left-color:var(--bad)}
.note p{margin:.2em 0}
.lead{font-size:1.06rem}
nav ul{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.1rem 1.1rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;padding:.2em 0}
th,td{text-align:left;vertical-align:top;padding:.28em .55em .28em 0;border-bottom:1px solid var(--rule)}
thead th{color:var(--dim);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.t{white-space:nowrap;font-variant-numeric:tabular-nums}
#transcript td:first-child{width:9.5rem}
#transcript .unnamed td:first-child{width:4rem}
#transcript td:nth-child(2){width:15rem}
th[scope=rowgroup]{padding-top:1.1em}
th[scope=row]{white-space:nowrap;padding-right:1em}
.scroll table{overflow-wrap:normal;font-size:.82rem}
.scroll th bdi{display:inline-block;max-width:14rem;overflow:hidden;text-overflow:ellipsis;vertical-align:top}
tr:target,li:target{background:var(--panel)}
.doubt{font-style:italic;color:var(--dim)}
ol.list{padding-left:1.6rem}
ol.list>li{margin:0 0 .9em}
ul.said{list-style:none;padding:0 0 0 .8rem;border-left:3px solid var(--rule);margin:.25em 0}
ul.said li{margin:.12em 0}
figure svg{display:block;width:100%;height:auto}
svg.slim{display:none}
svg text{fill:var(--ink);font-size:12px;font-family:inherit}
svg .small{font-size:11.5px;fill:var(--dim)}
svg .small.ink{fill:var(--t)}
svg .tiny{font-size:10.5px;fill:var(--dim)}
svg .end{text-anchor:end}
svg .mid{text-anchor:middle}
svg .bold{font-weight:600;fill:var(--ink)}
svg .bold.ink{fill:var(--t)}
svg .ground{fill:var(--panel)}
svg .rule{stroke:var(--rule)}
svg .faint{stroke:var(--rule);stroke-width:.7}
svg .band{fill:var(--dim);opacity:.42}
svg .trend{fill:none;stroke:var(--ink);stroke-width:1.8;stroke-linejoin:round}
svg .mark{fill:var(--m);stroke:var(--t);stroke-width:.6}
svg .cell{fill:var(--m);stroke:var(--t);stroke-width:.6}
svg .glyph{font-size:11px;fill:#000}
svg .gap{stroke:var(--bad);stroke-width:1;stroke-dasharray:3 3}
svg .shift{stroke:var(--dim);stroke-width:.8;stroke-dasharray:1 2}
svg .lost,svg .trouble{fill:var(--bad)}
svg .degraded{fill:none;stroke:var(--bad);stroke-width:1.2}
svg .paused,svg .at-once{fill:var(--dim)}
svg .person{fill:var(--link)}
footer{margin-top:3em;border-top:1px solid var(--rule);padding-top:.6em}
.skip{position:absolute;left:-99rem}
.skip:focus{position:static}
@media (max-width:36rem){
body{padding:.7rem .8rem 2rem;font-size:15px}
h1{font-size:1.35rem}
svg.wide{display:none}
svg.slim{display:block}
dl.head{grid-template-columns:1fr;gap:0}
dl.head dd{margin:0 0 .4rem}
#transcript td:first-child{width:4.4rem}
#transcript td:nth-child(2){width:6.6rem}
th,td{padding-right:.4em}
}
@media print{
@page{margin:16mm 14mm 18mm;@bottom-right{content:counter(page) " / " counter(pages);font:9pt sans-serif;color:#555}}
body{max-width:none;padding:0;font-size:10pt;line-height:1.35}
.lead{font-size:1em}
header dl.head{grid-template-columns:max-content 1fr max-content 1fr}
nav,.skip{display:none}
a{color:inherit;text-decoration:none}
h2,h3,caption,th[scope=rowgroup]{break-after:avoid}
h2{margin-top:1.4em}
h2,h3{break-inside:avoid}
figcaption,small{font-size:8.5pt}
figure,.note,ol.list>li,tr,table:not(.transcript){break-inside:avoid}
table.long{break-inside:auto}
thead{display:table-header-group}
svg.wide{display:block!important}
svg.slim{display:none!important}
.scroll{overflow:visible}
table{font-size:9.5pt}
}
"""


def style_sheet() -> str:
    """The rules, without line ends: dark only on a screen that asks for it, never on paper."""
    return "".join(
        f":root{{color-scheme:light dark;{_LIGHT}}}"
        + variables(LIGHT_GROUND)
        + f"@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}}}{variables(DARK_GROUND)}}}"
        + _RULES.replace("\n", "")
    )


def content_security_policy(style: str) -> str:
    """Nothing may be fetched, run, framed or sent; the one style sheet is known by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def document(title: str, *body: Html | None) -> str:
    """One HTML document: nothing in it is fetched, nothing in it runs, and nothing of it is told to other sites."""
    style = style_sheet()
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=content_security_policy(style)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="robots", content="noindex"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", raw(style)),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", *body), lang="en") + "\n"
