"""Mapping expressions (``sourceType`` EXPRESSION): the language of Data Prep's calculated fields.

Text is read by a grammar (:mod:`.grammar`) into nodes (:mod:`.nodes`), checked there, and bound to a source's columns as
plain functions from a row to a value (:mod:`.binding`). Nothing is ever evaluated as Python or put into SQL text.

The functions are those that Data Prep documents, under its names; :data:`FUNCTIONS` holds each with its parameters and a
line about it. Operators are those of the language underneath (JEXL): ``+ - * / %`` (``div mod``), ``== != < <= > >=``
(``eq ne lt le gt ge``), ``&& || !`` (``and or not``), ``? :`` and ``?:``, ``[ ]`` and ``{ }`` for arrays and objects.

Where the documents are silent:

* an operand or a required argument that is null makes the result null; ``concat`` takes null for an empty text;
* ``+`` of two texts joins them, also of a text and a number unless the text reads as a number;
* two integers divide to an integer, towards zero; every other number is a double;
* ``iif``, ``coalesce`` and ``decode`` evaluate only what they give back, so that a guarded failure is none.
"""

from aep_local.xdm.expressions.binding import Expression, bind
from aep_local.xdm.expressions.functions import FUNCTIONS
from aep_local.xdm.expressions.grammar import MAX_DEPTH, MAX_LENGTH, ExpressionError, parse

__all__ = ["FUNCTIONS", "MAX_DEPTH", "MAX_LENGTH", "Expression", "ExpressionError", "bind", "parse"]
