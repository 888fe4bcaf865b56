import pytest
import torch

from advlearn.data import domains, load, open_semi_supervised


def test_one_label_has_one_index_in_every_domain():
    x = torch.randn(6, 2)
    data = domains((x, [4, 5, 6, 7, 4, 5]), (x, [5, 5, 7, 7, 4, 4]))
    assert data.classes == 4 and data.sources[0].class_names == ("4", "5", "6", "7")
    assert data.sources[0].y.tolist() == [0, 1, 2, 3, 0, 1]
    assert data.target.y.tolist() == [1, 1, 3, 3, 0, 0]


def test_a_target_without_one_class_keeps_the_indices_of_the_source():
    x = torch.randn(4, 2)
    data = domains((x, [0, 1, 2, 3]), (x, [0, 1, 3, 3]))
    assert data.target.y.tolist() == [0, 1, 3, 3]


def test_sources_with_other_classes_are_joined_by_their_labels():
    x = torch.randn(2, 2)
    data = domains([(x, ["cat", "dog"]), (x, ["dog", "bird"])], x)
    assert [part.y.tolist() for part in data.sources] == [[1, 2], [2, 0]]


def test_a_label_that_no_source_has_is_refused():
    x = torch.randn(2, 2)
    with pytest.raises(ValueError, match=r"labels among cat, dog, .*got 'bird' in 'array'"):
        domains((x.numpy(), ["cat", "dog"]), (x.numpy(), ["cat", "bird"]))


def test_held_out_labels_of_few_labels_have_the_same_indices():
    x = torch.arange(6.0)[:, None]
    data = open_semi_supervised((load(x[:2], [5, 9]), load(x, [5, 9, 9, 9, 5, 5])))
    assert data.test().y.tolist() == [1, 1, 0, 0]
