import hashlib
import math

import numpy as np
import pytest
import torch

from advlearn.data import TabularDataset, adult, german_credit, load, names, open_table
from advlearn.data.files import find_or_download
from advlearn.data.tabular_dataset import encode
from advlearn.metrics import group_report
from tests.data.test_datasets import need

TRAIN = """\
30, Private, 1, HS-grad, 9, Divorced, Sales, Wife, White, Female, 0, 0, 40, Cuba, <=50K
40, ?, 2, HS-grad, 9, Divorced, ?, Husband, Black, Male, 100, 0, 40, Cuba, >50K
50, Private, 3, HS-grad, 12, Divorced, Sales, Husband, White, Male, 0, 0, 40, ?, >50K

"""
TEST = """\
|1x3 Cross validator
60, Private, 4, Masters, 10, Divorced, Sales, Wife, White, Female, 0, 0, 43, Peru, >50K.
30, ?, 5, HS-grad, 9, Divorced, Sales, Husband, Black, Male, 0, 0, 40, Cuba, <=50K.
"""


@pytest.fixture
def census(tmp_path, monkeypatch):
    (tmp_path / "adult").mkdir()
    (tmp_path / "adult" / "adult.data").write_text(TRAIN)
    (tmp_path / "adult" / "adult.test").write_text(TEST)
    monkeypatch.setenv("ADVLEARN_DATA", str(tmp_path))
    return tmp_path / "adult"


def feature(table: TabularDataset, name: str) -> list[float]:
    return table.x[:, table.feature_names.index(name)].tolist()


def test_three_rows_match_an_encoding_by_hand(census):
    table = adult()
    assert table.feature_names == (
        "age",
        *(
            "workclass=?",
            "workclass=Private",
            "education=HS-grad",
            "education-num",
            "marital-status=Divorced",
        ),
        *(
            "occupation=?",
            "occupation=Sales",
            "relationship=Husband",
            "relationship=Wife",
            "race=Black",
            "race=White",
        ),
        *("sex=Female", "sex=Male", "capital-gain", "capital-loss", "hours-per-week"),
        *("native-country=?", "native-country=Cuba"),
    )
    root = 1.5**0.5  # 10 / std of 30, 40, 50
    assert feature(table, "age") == pytest.approx([-root, 0.0, root])
    assert feature(table, "education-num") == pytest.approx([-(0.5**0.5), -(0.5**0.5), 2**0.5])
    assert (
        feature(table, "capital-loss") == feature(table, "hours-per-week") == [0.0, 0.0, 0.0]
    )  # constant
    assert feature(table, "workclass=?") == [0.0, 1.0, 0.0] and feature(table, "sex=Female") == [
        1.0,
        0.0,
        0.0,
    ]
    assert table.y.tolist() == [0, 1, 1] and table.x.dtype == torch.float32
    assert table.sensitive["sex"].tolist() == [0, 1, 1] and table.sensitive_names["sex"] == (
        "Female",
        "Male",
    )
    assert table.sensitive["race"].tolist() == [1, 0, 1] and table.sensitive_names["race"] == (
        "Black",
        "White",
    )
    assert (
        table.sensitive["age"].tolist() == [30.0, 40.0, 50.0] and "age" not in table.sensitive_names
    )


def test_the_test_part_is_encoded_by_the_training_part(census):
    table = adult("test")
    assert table.feature_names == adult().feature_names and table.name == "adult-test"
    assert feature(table, "age") == pytest.approx([2 * 1.5**0.5, -(1.5**0.5)])
    assert feature(table, "hours-per-week") == [
        3.0,
        0.0,
    ]  # a column that is constant in the training part is centred and not scaled
    # Categories that the training part lacks have no indicator.
    assert feature(table, "education=HS-grad") == [0.0, 1.0]
    assert feature(table, "native-country=?") == [0.0, 0.0] and feature(
        table, "native-country=Cuba"
    ) == [0.0, 1.0]
    assert table.y.tolist() == [1, 0] and table.sensitive["sex"].tolist() == [0, 1]


def test_columns_are_left_out_of_the_features_only(census):
    table = adult(omit=["sex", "relationship"])
    assert not [
        name for name in table.feature_names if name.startswith(("sex", "relationship", "fnlwgt"))
    ]
    assert table.x.shape == (3, 15) and table.sensitive["sex"].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "30, Private, 1, HS-grad",
            r"expected 15 values, .* got '30, Private, 1, HS-grad' in line 5 of 'adult.data'",
        ),
        (TRAIN.splitlines()[0].replace("<=50K", "50K"), "<=50K or >50K last, got '30, Private"),
        (
            TRAIN.splitlines()[0].replace("30,", "thirty,"),
            "decimals in the columns of numbers .* in line 5",
        ),
    ],
)
def test_a_damaged_file_is_one_line_that_names_the_place(census, line, message):
    (census / "adult.data").write_text(f"{TRAIN}{line}\n")
    with pytest.raises(ValueError, match=message) as caught:
        adult()
    assert "\n" not in str(caught.value)


def test_a_group_only_in_the_test_part_is_refused(census):
    (census / "adult.test").write_text(TEST.replace("Female", "Unknown"))
    with pytest.raises(
        ValueError, match="expected one of Female, Male like the training part, got 'Unknown'"
    ):
        adult("test")


def test_wrong_arguments_are_named(census):
    with pytest.raises(ValueError, match="part: expected one of train, test, got 'valid'"):
        adult("valid")
    with pytest.raises(ValueError, match=r"omit: expected one of age, workclass.*, got 'gender'"):
        adult(omit=["gender"])
    with pytest.raises(
        ValueError,
        match="omit: expected a sequence, got 'sex'; pass a list",
    ):
        adult(omit="sex")


def test_adult_matches_its_published_description():
    need("adult", "adult.data")
    train, test = adult(), adult("test")
    assert (len(train), len(test)) == (32_561, 16_281) and train.x.shape[1] == test.x.shape[
        1
    ] == 107
    # 7,841 and 3,846 rows above 50,000 dollars, 10,771 women: .2408, .2362 and .3308.
    assert int(train.y.sum()) == 7841 and int(test.y.sum()) == 3846
    assert (train.sensitive["sex"] == 0).sum() == 10_771 and round(10_771 / 32_561, 4) == 0.3308
    assert train.sensitive["race"].bincount().tolist() == [311, 1039, 3124, 271, 27_816]
    missing = train.x[:, train.feature_names.index("workclass=?")]
    assert int(missing.sum()) == 1836
    numbers = train.x[
        :, [train.feature_names.index(name) for name in ("age", "capital-gain", "hours-per-week")]
    ]
    torch.testing.assert_close(numbers.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(numbers.std(0, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    # Each row has one category of each of the eight.
    one_hot = train.x[:, ["=" in name for name in train.feature_names]]
    assert one_hot.shape[1] == 102 and (one_hot.sum(1) == 8).all()
    # Base rates by sex, from the raw file: 1,179 of 10,771 women, 6,662 of 21,790 men.
    report = group_report(train.y, train.y, sensitive_features=train.groups("sex"))
    assert report["Female"].selection_rate == pytest.approx(1179 / 10_771)
    assert report["Male"].selection_rate == pytest.approx(6662 / 21_790)


def test_german_credit_matches_its_published_description():
    need("german-credit", "german.data")
    train, test = german_credit(), german_credit("test")
    assert (
        (len(train), len(test)) == (700, 300)
        and int(train.y.sum()) == 490
        and int(test.y.sum()) == 210
    )
    women = [int((table.sensitive["sex"] == 0).sum()) for table in (train, test)]
    young = [int((table.sensitive["age-group"] == 0).sum()) for table in (train, test)]
    assert sum(women) == 310 and sum(young) == 190
    for table in (train, test):
        assert ((table.sensitive["age"] > 25) == (table.sensitive["age-group"] == 1)).all()
        indicated = table.x[:, table.feature_names.index("personal-status-and-sex=A92")] == 1
        assert (indicated == (table.sensitive["sex"] == 0)).all()
    assert feature(train, "duration") != feature(german_credit(seed=1), "duration")
    assert torch.equal(train.x, german_credit(seed=0).x)
    blind = german_credit(omit=["sex", "age-group"])
    assert not [name for name in blind.feature_names if name.startswith(("age", "personal"))]
    assert blind.x.shape[1] == train.x.shape[1] - 5


def test_the_two_parts_of_the_split_share_no_row():
    need("german-credit", "german.data")
    parts = [german_credit("train", seed=3), german_credit("test", seed=3)]
    # Amount and age identify nearly every row, and both parts are scaled by the training part.
    people = [set(map(tuple, part.x.tolist())) for part in parts]
    assert not people[0] & people[1] and sum(map(len, people)) >= 995


def test_tables_load_by_name():
    need("adult", "adult.data")
    need("german-credit", "german.data")
    for name, table in {"adult-test": adult("test"), "german-credit": german_credit()}.items():
        source = load(name)
        assert name in names() and source.name == name and source.classes == 2
        assert torch.equal(source.x, table.x) and torch.equal(source.y, table.y)


def test_a_table_gives_arrays_and_names():
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([0, 1])
    table = TabularDataset(
        x,
        y,
        {"sex": torch.tensor([1, 0]), "age": torch.tensor([3.0, 4.0])},
        {"sex": ("f", "m")},
        ("a",),
    )
    features, labels, sensitive = table.numpy()
    assert (
        features.tolist() == [[1.0], [2.0]]
        and labels.tolist() == [0, 1]
        and sensitive["sex"].tolist() == [1, 0]
    )
    assert table.groups("sex").tolist() == ["m", "f"] and table.groups("age").tolist() == [3.0, 4.0]
    with pytest.raises(ValueError, match=r"sensitive: expected one of sex, age, got 'race'"):
        table.groups("race")


def test_a_table_refuses_columns_of_other_lengths():
    x, y = torch.zeros(2, 3), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="feature_names: expected 3 names, one per feature, got 1"):
        TabularDataset(x, y, feature_names=("age",))
    with pytest.raises(
        ValueError, match=r"sensitive\['sex'\]: expected shape \(2,\), got int64 \(3,\)"
    ):
        TabularDataset(x, y, {"sex": torch.tensor([0, 1, 1])})
    with pytest.raises(ValueError, match=r"labels: expected class indices in \[0, 2\), got 2"):
        TabularDataset(x, torch.tensor([0, 2]))


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (
            [0, 1],
            TypeError,
            r"sensitive: expected a Tensor, got \[0, 1\]",
        ),
        (
            torch.tensor([0, 1]).int(),
            TypeError,
            r"sensitive\['sex'\]: expected int64 codes .*, got int32 \(2,\)",
        ),
        (
            torch.tensor([0.0, 1.0]).half(),
            TypeError,
            r"sensitive\['sex'\]: .* got float16 \(2,\)",
        ),
        (
            torch.tensor([1, -1]),
            ValueError,
            r"sensitive\['sex'\]: expected codes in \[0, 2\), .*, got -1",
        ),
        (
            torch.tensor([1, 2]),
            ValueError,
            r"sensitive\['sex'\]: expected codes in \[0, 2\), .*, got 2",
        ),
        (
            torch.tensor([1.0, math.nan]),
            ValueError,
            r"sensitive\['sex'\]: expected finite numbers, got nan in sample 1",
        ),
    ],
)
def test_a_sensitive_column_of_another_type_is_one_line(values, error, message):
    with pytest.raises(error, match=f"^{message}") as caught:
        TabularDataset(
            torch.zeros(2, 3), torch.tensor([0, 1]), {"sex": values}, {"sex": ("f", "m")}
        )
    assert "\n" not in str(caught.value)


def test_codes_without_names_are_not_negative():
    with pytest.raises(
        ValueError, match=r"sensitive\['sex'\]: expected codes of 0 or more, got -1"
    ):
        TabularDataset(torch.zeros(2, 3), torch.tensor([0, 1]), {"sex": torch.tensor([-1, 1])})


@pytest.mark.parametrize(
    ("codes", "names", "line"),
    [
        (
            [0, 0],
            {"sex": ("f", "m")},
            "^sex: expected samples of each of 2 groups, got none of 'm'$",
        ),
        ([0, 2], {}, "^sex: expected samples of each of 3 groups, got none of 1$"),
        ([0, 0], {}, "^sex: expected two or more groups, got only 0$"),
    ],
)
def test_a_group_without_samples_is_refused_where_a_table_is_trained_on(codes, names, line):
    x, y = torch.zeros(2, 3), torch.tensor([0, 1])
    # A table may be a part of a larger one.
    table = TabularDataset(x, y, {"sex": torch.tensor(codes)}, names)
    with pytest.raises(ValueError, match=line):
        open_table(table)


def test_a_value_that_is_not_finite_is_named_by_sample_and_column():
    x, y = torch.zeros(4, 3), torch.tensor([0, 1, 0, 1])
    x[2, 1] = math.nan
    with pytest.raises(
        ValueError,
        match=r"^data: expected finite values, got nan in .* column 1 \('pay'\); remove",
    ):
        TabularDataset(x, y, feature_names=("age", "pay", "debt"))
    with pytest.raises(
        ValueError, match=r"^data: expected finite values, got nan in sample 2, column 1; remove"
    ):
        TabularDataset(x, y)


def test_encode_agrees_with_scikit_learn():
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    draw = np.random.default_rng(0)
    train, rows = (
        [[str(draw.integers(90)), "abc"[draw.integers(3)]] for _ in range(n)] for n in (50, 20)
    )
    encoded, feature_names = encode(train, rows, ("age", "job"), {"age"})
    columns = [np.array(part, dtype=object) for part in (train, rows)]
    scaler = StandardScaler().fit(columns[0][:, :1].astype(float))
    encoder = OneHotEncoder(sparse_output=False).fit(columns[0][:, 1:])
    reference = np.hstack(
        [scaler.transform(columns[1][:, :1].astype(float)), encoder.transform(columns[1][:, 1:])]
    )
    np.testing.assert_allclose(encoded.numpy(), reference, atol=1e-6)
    assert feature_names == ("age", "job=a", "job=b", "job=c")


@pytest.mark.parametrize("read", [adult, german_credit])
def test_missing_tables_are_reported_in_one_line(tmp_path, monkeypatch, read):
    # The cache folder cannot be created, so that nothing is downloaded.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ADVLEARN_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    name = read.__name__.replace("_", "-")
    with pytest.raises(
        FileNotFoundError, match=rf"data: '{name}' is not in .*, and downloading it failed"
    ) as caught:
        read()
    assert "\n" not in str(caught.value)


def test_a_download_is_stored_only_with_the_published_checksum(tmp_path, monkeypatch):
    monkeypatch.setenv("ADVLEARN_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    published = tmp_path / "published.data"
    published.write_bytes(b"1 2 3\n")
    url, checksum = published.as_uri(), hashlib.sha256(b"1 2 3\n").hexdigest()
    with pytest.raises(FileNotFoundError, match=r"downloading it failed .*has another checksum"):
        find_or_download("some", ("some", "file.data"), url, "0" * 64)
    path = find_or_download("some", ("some", "file.data"), url, checksum)
    assert (
        path == tmp_path / "cache" / "advlearn" / "some" / "file.data"
        and path.read_bytes() == b"1 2 3\n"
    )
    assert [entry.name for entry in path.parent.iterdir()] == ["file.data"]
    published.unlink()  # the cache holds the file now
    assert find_or_download("some", ("some", "file.data"), url, checksum) == path
