"""The ground: values and small functions that every other room stands on, and that know none of them."""
