"""How many tokens a text makes, without a tokenizer."""

from __future__ import annotations

from typing import Final

_LATIN = bytearray(b"p" * 256)
for _c in range(256):
    _ch = chr(_c)
    if _ch in "\n\r": _LATIN[_c] = ord("n")
    elif _ch.isspace() or _c==0: _LATIN[_c] = ord("s")
    elif _ch.isdigit() and _c<128: _LATIN[_c] = ord("0")
    elif _ch.isalpha():
        _LATIN[_c] = ord("x") if _c > 127 else ord("a") if _ch.islower() else ord("A")
_LATIN[ord("?")] = ord("o")
_LATIN[ord(",")] = _LATIN[ord(".")] = ord("q")
_LATIN[ord('"')]=_LATIN[ord("'")]=ord("k")
_LATIN=bytes(_LATIN)
_HIGH = bytearray(b"?"*256)
def _set(lo,hi,c):
    for i in range(lo,hi+1): _HIGH[i]=ord(c)
_set(0,2,"."); _set(3,3,"G"); _set(4,5,"C"); _set(6,8,"R"); _set(9,0xd,"D"); _set(0xe,0xf,"T")
_set(0x1e,0x1e,"V"); _set(0x1f,0x1f,"G"); _set(0x20,0x2f,"P"); _set(0x30,0x30,"K"); _set(0x31,0x33,"P"); _set(0x34,0x9f,"H"); _set(0xac,0xd7,"N")
_set(0xd8,0xdf,"E"); _set(0xff,0xff,"P")
_HIGH=bytes(_HIGH)
LATIN_RUNS = ["aaaaaaaa","aaaaaaaaaaaa", "aA","x","0","A0","0a","0A","q0","s0", "p","k","q","sp","sk","ap","pa","ppa","ka","qa","sa","nA","sA","na","kA","pA","ss","n","ns","so"]
SCRIPTS="GCRDTVPKHNE?"
WEIGHTS: dict[str,float] = {**{k:0.1 for k in LATIN_RUNS}, **{k:0.5 for k in SCRIPTS}}
_L=[k.encode() for k in LATIN_RUNS]
_S=[k.encode() for k in SCRIPTS]
_W=list(WEIGHTS.values())
def use_weights(w):
    global _W
    _W=list(w)
def features(text):
    ascii = text.isascii()
    lat=text.replace("?","!").encode("latin-1","replace").translate(_LATIN)
    f=[float(lat.count(k)) for k in _L]
    if ascii: return f+[0.0]*len(_S)
    hi=text.encode("utf-16-le","surrogatepass")[1::2].translate(_HIGH)
    return f+[float(hi.count(k)) for k in _S]
def estimate_tokens(text:str)->int:
    return round(sum(map(float.__mul__,features(text),_W)))
