"""The plain forms in Chinese and Japanese, where words are not parted by spaces."""
# ruff: noqa: RUF001 - full-width marks are what these texts are written with

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rightmodel.assess.found import LIKELY, PLAIN, Found

if TYPE_CHECKING:
    from rightmodel.assess.clauses import Context

PRESENT: Final = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")

_LANG: Final = (
    "(?:英|中|日|法|德|俄|韩|西班牙|葡萄牙|意大利|阿拉伯|英语|中国|日本|フランス|ドイツ|スペイン|韓国"
    "|イタリア)(?:文|语|語|汉语)?"
)
_CODE: Final = (
    "(?:函数|脚本|程序(?!员)|代码|SQL|正则|单元测试|查询语句|爬虫|接口|関数|スクリプト|プログラム"
    "(?!マ)|コード|正規表現|クエリ|単体テスト|ユニットテスト|マクロ|Python|JavaScript|HTML|API)"
)
_TEXT: Final = (
    "(?:诗|邮件|故事|文章|作文|演讲稿|演讲|信|文案|祝福语|简介|通知|感谢信|小说|短文|歌词|标语|新闻稿"
    "|道歉|詩|メール|物語|記事|手紙|スピーチ|俳句|短歌|ブログ|お礼|挨拶文|案内文|小説|作文"
    "|キャッチコピー|文章|紹介文)"
)
_GIVEN: Final = (
    "(?:这|以下|下面|下列|上面|附件|以上|本文|文中|次の|以下の|この|下記|上記|添付|これらの)"
)
_OP: Final = r"[\d.)）²]\s*(?:[-+*/×÷^＋－]|乘以?|除以?|加|减|的平方|かける|割る|足す|引く|％|%)"
_FIELD: Final = (
    "(?:日期|姓名|名字|人名|地址|电话|邮箱|金额|价格|公司|地点|编号|关键词|信息|字段|名称)"
)
_ASKED: Final = "(?:计算|等于|是多少|得多少|計算|いくつ|いくら|は何|求め|解)"

_PATTERNS: Final[tuple[tuple[str, float, str, tuple[str, ...]], ...]] = (
    (
        *("translate", PLAIN, "asks for a translation"),
        (
            "(?:翻译|译)(?:成|为|到|一下)",
            "翻译.{0,12}[：:]",
            f"用{_LANG}怎么说",
            f"{_LANG}(?:に|へ)(?:翻訳|訳)",
            "翻訳して|に訳して",
            f"は{_LANG}で(?:何|なん)",
        ),
    ),
    (
        *("summarize", PLAIN, "asks for a summary"),
        (
            f"(?:总结|概括|归纳|概述)(?:一下)?{_GIVEN}",
            f"{_GIVEN}.{{0,24}}(?:总结|概括|摘要|要约|要点)",
            "写.{0,4}摘要",
            f"{_GIVEN}.{{0,30}}(?:要約|まとめて)",
        ),
    ),
    (
        *("extract", PLAIN, "asks to pull out fields"),
        (f"(?:提取|抽取|摘出|找出).{{0,30}}{_FIELD}", "から.{1,40}(?:抽出|抜き出)", "抽出して"),
    ),
    (
        *("classify", PLAIN, "asks for a label"),
        (
            "分类|归类|(?:分類|判定)して",
            "判断.{0,30}(?:还是|是否|情感|正面|负面|垃圾)",
            f"{_GIVEN}.{{0,30}}(?:正面|负面|垃圾邮件)",
            "(?:ポジティブ|肯定的|スパム)(?:か|です)",
        ),
    ),
    (
        *("code", PLAIN, "asks to make code"),
        (
            rf"(?:写|编写|实现|用\w+写|生成|创建)(?:(?!关于|介绍).){{0,24}}?{_CODE}",
            f"{_CODE}.{{0,12}}(?:書いて|作って|作成|実装|を書)",
        ),
    ),
    (
        *("code", PLAIN, "asks to fix or explain code"),
        (
            r"(?:这段|以下|下面|这个)(?:的)?\w{0,12}?(?:代码|函数|脚本|SQL|程序)",
            "(?:调试|修复|重构|优化).{0,10}(?:代码|函数|bug|脚本|SQL|程序)",
            r"(?:この|次の|以下の)\w{0,12}?(?:コード|関数|スクリプト|クエリ|プログラム)",
            "バグを(?:直|修正)|デバッグして",
        ),
    ),
    (
        *("writing", PLAIN, "asks for a text"),
        (
            f"(?:写|撰写|起草|创作|拟).{{0,24}}?{_TEXT}",
            f"{_TEXT}.{{0,6}}(?:書いて|作って|作成|考えて)",
        ),
    ),
    (
        *("writing", LIKELY, "asks to reword a text"),
        (
            "润色|改写.{0,8}(?:句|段|文|邮件)",
            "添削|推敲|言い換え|書き直",
            f"{_GIVEN}.{{0,12}}(?:更礼貌|更正式|更通顺|丁寧な)",
        ),
    ),
    (
        *("math", PLAIN, "asks to calculate"),
        (
            f"(?:计算|求|等于多少|是多少|計算|いくつ|いくら|求め).{{0,40}}?{_OP}",
            f"{_OP}.{{0,40}}?{_ASKED}",
            "解方程|方程式を解",
            r"\d+\s*(?:的|の)\s*\d+\s*[%％]",
        ),
    ),
    (
        *("knowledge", LIKELY, "a question of fact"),
        (
            "^(?:什么是|为什么|谁(?:是|发明|写)|哪(?:一年|个国家|位)|なぜ)",
            "(?:首都是(?:哪里|哪座城市|哪个城市|哪|什么)|是什么意思|是谁(?:发明|写|画)?的?)[？?。]?$",
            "とは(?:何|なん)ですか|はなぜ|首都はどこ|は誰(?:です|が)|いつ(?:です|起|始)",
            "の(?:仕組み|違い).{0,8}(?:教えて|説明|何)",
        ),
    ),
)
_FORMS: Final = tuple(
    (skill, confidence, note, re.compile("|".join(patterns), re.IGNORECASE))
    for skill, confidence, note, patterns in _PATTERNS
)
_PERSONAL: Final = re.compile("我|你|您|我们|私|僕|俺|うち|この|这")


def recognise(x: Context) -> list[Found]:
    """Every form found in the ask, each skill once, in the order of their places."""
    text = x.text.strip()
    hits: dict[str, tuple[int, Found]] = {}
    for skill, confidence, note, pattern in _FORMS:
        place = pattern.search(text)
        if place is None or skill in hits:
            continue
        if skill == "knowledge" and (x.material or _PERSONAL.search(text)):
            continue
        hits[skill] = (place.start(), Found(skill, confidence, note))
    if len(hits) > 1:
        hits.pop("knowledge", None)
    if "code" in hits:
        hits.pop("extract", None)
    return [found for _, found in sorted(hits.values())]
