from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from rightmodel.core.errors import ManifestError, TaskError, UnknownNameError
from rightmodel.manifest.catalog import DEFAULT_SLOPES
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.read import shipped_manifest, shipped_names, shipped_provider

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.manifest.catalog import Catalog


def load(tmp_path: Path, text: str) -> Catalog:
    path = tmp_path / "rightmodel.toml"
    path.write_text("version = 1\n" + text)
    return load_catalog(path, has_key=lambda _: True)


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_manifest_loads(tmp_path: Path, name: str) -> None:
    catalog = load(tmp_path, f'include = ["{name}"]')
    assert all(model.endpoints for model in catalog.models.values())


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_provider_is_the_same_without_its_models(name: str) -> None:
    manifest = shipped_manifest(name)
    assert manifest is not None
    assert shipped_provider(name) == manifest.providers[name]


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ('[routing]\ntire = "cheap"', "routing.tire", "'tier'"),
        ('[[models]]\nid = "nobody/y"', "provider", "not defined"),
        ('[[models]]\nid = "openai/gpt-5.5"\ncost = {input = -1}', "cost.input", "greater"),
        ('include = ["antropic"]', "include", "'anthropic'"),
        ('baseline = "openai/gpt-55"', "baseline", "openai/gpt-5.5"),
        ('[[rules]]\nname = "r"\nuse = ["opuss"]', "use", "unknown model"),
        ('[[rules]]\nwhen = {matches = "("}', "matches", "regular expression"),
        (
            '[[models]]\nid = "openai/gpt-5.5"\n[[models]]\nid = "openai/gpt-5.5"',
            "models",
            "unique",
        ),
        (
            (
                '[[models]]\nid="openai/gpt-5.5"\naliases=["openai/gpt-5.4"]\n'
                '[[models]]\nid="openai/gpt-5.4"\naliases=["openai/gpt-5.5"]'
            ),
            "aliases",
            "id of another model",
        ),
        ('[providers.x]\nprotocol="gemini"\nbase_url="http://example.com"', "base_url", "https"),
        ('[providers.openai]\nheaders = {Host = "a.example"}', "headers", "in base_url"),
        ('[providers.openai]\nheaders = {Content-Length = "3"}', "headers", "leave it out"),
        ("[skills.cod]\nslope = 0.5", "skills.cod", "did you mean 'code'"),
        ('[skills.code]\ndescription = "mine"', "skills.code.description", "known skill"),
        ("[skills.code]\nslope = 3", "skills.code.slope", "less than or equal to 2"),
        ("[gatway]\nroute = []", "gatway", "did you mean 'gateway'"),
        ('[ledger]\nurl = "mysql://x"', "ledger.url", "write postgresql://USER@HOST/DATABASE"),
        ('[[models]]\nid = "nobody/m"', "nobody/m", "more. Or write [providers.nobody]"),
        ('[[rules]]\nuse = ["*"]\n[[rules]]\nusee = []', 'rules."rule 2".usee', "mean 'use'"),
        ("[budget]\nper_day_usd = -5", "budget.per_day_usd", "equal to 0, not -5"),
        ('[[models]]\nid = "openai/gpt-5.5"\nskills = {cod = 5}', "gpt-5.5", "Nearest: code"),
        ('[[models]]\nid = "openai/gpt-5.5"\naliases = ["a,b"]', "aliases", "comma"),
        ('[[models]]\nid = "openai/gpt-5.5"\naliases = ["Auto:x"]', "aliases", "any model"),
        ('[[models]]\nid = "auto:cheap"\nprovider = "openai"', "id", "any model"),
        ("[[rules]]\nwhen = {tier = []}", "when.tier", "never holds"),
        ('[[rules]]\nwhen = {matches = "a{99999999999}"}', "matches", "regular expression"),
        (f'[[rules]]\nwhen = {{matches = "{"(" * 900}{")" * 900}"}}', "matches", "expression"),
        (
            (
                '[[models]]\nid = "openai/gpt-5.5"\ncost_when = ['
                "{input_above = 200000, input = 4}, {input_above = 32000, input = 2}]"
            ),
            "cost_when",
            "from small to large prompts",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_key_and_what_would_be_right(
    tmp_path: Path, text: str, key: str, hint: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        load(tmp_path, text)
    assert key in caught.value.key
    assert hint in str(caught.value)
    assert "rightmodel.toml" in str(caught.value)


def test_the_user_overrides_single_prices_and_ratings_and_origins_show_it(tmp_path: Path) -> None:
    catalog = load(
        tmp_path, '[[models]]\nid = "openai/gpt-5.5"\ncost = {input = 1}\nskills = {code = 9.5}'
    )
    model = catalog.models["openai/gpt-5.5"]
    assert model.price.input is not None
    assert model.price.input * 1_000_000 == 1
    assert model.price.output is not None
    assert model.rating("code") == 9.5
    assert catalog.origins["openai/gpt-5.5.cost.input"].endswith("rightmodel.toml")
    assert catalog.origins["openai/gpt-5.5.cost.output"] == "shipped openai.toml"


def test_an_excluded_model_cannot_be_named(tmp_path: Path) -> None:
    catalog = load(tmp_path, 'include = ["openai"]\nexclude = ["openai/*-pro"]')
    with pytest.raises(Exception, match="excluded by"):
        catalog.find("openai/gpt-5.5-pro")
    with pytest.raises(UnknownNameError, match="Nearest"):
        catalog.find("gtp-5.5")


def test_a_model_is_found_by_its_provider_and_its_name_there(tmp_path: Path) -> None:
    text = '[[models]]\nid = "openai/mine"\nname = "gpt-9"\nskills = {code = 9}\n'
    assert load(tmp_path, text).find("openai/gpt-9").id == "openai/mine"


def test_a_shipped_model_that_is_not_connected_says_what_connects_it(tmp_path: Path) -> None:
    catalog = load(tmp_path, 'include = ["openai"]')
    for name in ("claude-opus-4-8", "anthropic/claude-opus-4-8"):
        with pytest.raises(UnknownNameError, match="set ANTHROPIC_API_KEY; where the manifest has"):
            catalog.find(name)
    with pytest.raises(ManifestError, match=r"toml:4: .*set GROQ_API_KEY"):
        load(tmp_path, 'include = ["openai"]\n[[rules]]\nuse = ["groq/openai/gpt-oss-120b"]')


def test_a_model_in_no_manifest_is_used_with_unknown_price(tmp_path: Path) -> None:
    model = load(tmp_path, 'include = ["openai"]').find("openai/released-this-morning")
    assert model.endpoints[0].name == "released-this-morning"
    assert not model.price.known


def test_a_bare_model_name_is_enough_where_one_model_has_it(tmp_path: Path) -> None:
    catalog = load(
        tmp_path,
        '[providers.a]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:9/v1"\n'
        '[providers.b]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:8/v1"\n'
        '[[models]]\nid = "a/one"\nname = "one:7b"\n[[models]]\nid = "a/two"\n'
        '[[models]]\nid = "b/two"\n',
    )
    assert catalog.find("one").id == "a/one"
    assert catalog.find("one:7b").id == "a/one"
    with pytest.raises(TaskError, match="'two' is ambiguous: a/two, b/two"):
        catalog.find("two")


def test_a_slope_is_set_for_known_and_own_skills(tmp_path: Path) -> None:
    catalog = load(
        tmp_path, '[skills.code]\nslope = 0.35\n[skills.mine]\ndescription = "My work"\nslope = 0\n'
    )
    assert catalog.slopes["code"].slope == 0.35
    assert catalog.slopes["mine"].slope == 0
    assert catalog.slopes["math"] == DEFAULT_SLOPES["math"]
    assert catalog.own_skills == {"mine": "My work"}


def test_roots_are_relative_to_the_manifest_and_names_can_be_allowed(tmp_path: Path) -> None:
    files = load(tmp_path, '[files]\nroots = ["src"]\nallow = ["*.pem.example"]\n').files
    assert files.roots == (str(tmp_path / "src"),)
    assert files.allow == ("*.pem.example",)


OWN = """
exclude = ["p/m[1m]"]
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9/v1"
[[models]]
id = "p/m[1m]"
[[models]]
id = "p/m1"
skills = { general = 6 }
[[models]]
id = "p/m2"
skills = { general = 7 }
"""


def test_an_id_with_brackets_is_no_pattern(tmp_path: Path) -> None:
    catalog = load(tmp_path, OWN)
    assert list(catalog.models) == ["p/m1", "p/m2"]
    with pytest.raises(TaskError, match="excluded"):
        catalog.find("p/m[1m]")


@pytest.mark.parametrize("pattern", ["p/m?", "p/*"])
def test_a_rule_may_use_either_kind_of_pattern(tmp_path: Path, pattern: str) -> None:
    catalog = load(tmp_path, f'{OWN}[[rules]]\nuse = ["{pattern}"]\n')
    assert catalog.rules[0].use == ("p/m2", "p/m1")


def test_a_rule_may_use_a_model_that_is_in_no_manifest_and_it_says_so(tmp_path: Path) -> None:
    catalog = load(tmp_path, f'{OWN}[[rules]]\nuse = ["p/new", "p/m1"]\n')
    assert catalog.rules[0].use == ("p/new", "p/m1")
    assert list(catalog.unlisted) == ["p/new"]
    assert "p/new" not in catalog.models
    assert any(note.startswith("p/new is in no manifest") for note in catalog.notes)


def test_what_a_rule_requires_and_no_model_has_is_told(tmp_path: Path) -> None:
    rule = '[[rules]]\nname = "r"\nrequire = { trust = "local", features = ["tools"] }\n'
    notes = load(tmp_path, OWN + rule).notes
    assert "rule 'r': no connected model has trust local" in notes
    assert "rule 'r': no connected model has the feature 'tools'" in notes


def test_prices_of_one_token_and_features_that_nothing_asks_for_are_noted(tmp_path: Path) -> None:
    rule = '[[rules]]\nuse = ["p/m"]\nrequire = { features = ["eu"] }\n'
    model = '[[models]]\nid = "p/n"\ncost = { input = 0, output = 0.000015 }\n'
    features = 'features = ["tools", "eu", "function_calling"]\n'
    catalog = load(tmp_path, OWN + model + features + rule)
    per_token, unknown = [note for note in catalog.notes if note.startswith("p/n: ")]
    assert per_token.startswith("p/n: cost is per million tokens; 0.000015 looks like")
    assert unknown.startswith("p/n: no call or rule requires the feature 'function_calling'")


def test_other_prices_of_a_model_on_this_machine_hold_although_it_is_free(tmp_path: Path) -> None:
    when = '[[models]]\nid = "p/x"\ncost_when = [{ input_above = 1000, input = 4 }]\n'
    price = load(tmp_path, OWN + when).models["p/x"].price
    assert price.rates(1000).input == 0
    assert price.rates(1001).input == Decimal("0.000004")
