"""What requests hold and answers give: the source of the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from data_curation.records import HIGHEST_KELVIN, LOWEST_KELVIN
from ppi.io.predictions import STANDARD_TEMPERATURE

Format = Literal["fasta", "csv"]


def _characters(text: str) -> str:
    """Refuse halves of characters, which JSON can hold and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"character {error.start + 1} is half of a surrogate pair; send UTF-8 text"
        ) from error
    return text


Text = Annotated[str, AfterValidator(_characters)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Record(_Strict):
    """A complex; the chains of a side are a list, or one text with ``:`` between them."""

    id: Text | None = Field(None, examples=["mine"])
    ligand: Text | list[Text] = Field(examples=["EVQLVESGG:DIQMTQSPS"])
    receptor: Text | list[Text] = Field(examples=["KVFGRCELA"])
    temperature_kelvin: float | None = None


class ComplexesRequest(_Strict):
    """Complexes: either records, or the text of a FASTA file or a table."""

    complexes: list[Record] | None = None
    text: Text | None = Field(None, description="FASTA, or a table with columns id, ligand and receptor")
    format: Format | None = Field(None, description="of the text; found out where it is not given")

    @model_validator(mode="after")
    def _one_source(self) -> ComplexesRequest:
        if (self.complexes is None) == (self.text is None):
            raise ValueError("give either complexes (a list of records) or text (FASTA or CSV)")
        return self


class PredictRequest(ComplexesRequest):
    """Complexes to predict."""

    temperature_kelvin: float = Field(STANDARD_TEMPERATURE, ge=LOWEST_KELVIN, le=HIGHEST_KELVIN)
    truncate: bool = Field(False, description="shorten complexes over the model's limit")


class ScanRequest(ComplexesRequest):
    """Complexes to scan, and which mutants; all single ones by default."""

    sites: list[Text] = Field([], max_length=1000, examples=[["ligand:1:95-102"]])
    mutants: list[Text] = Field([], max_length=10_000, examples=[["ligand:1:H102A"]])
    alanine: bool = False
    pairs: bool = False
    measured: bool = Field(True, description="start from measured complexes around the wild type")


class ExplainRequest(ComplexesRequest):
    """Complexes to explain."""

    orders: int = Field(16, ge=2, le=200, description="random orders that are drawn")


class SidesRequest(_Strict):
    """Sides: by name, or text: FASTA with one record a side, or a table with columns id and sequence."""

    sides: dict[Text, Text | list[Text]] | None = Field(None, examples=[{"mine": "EVQLVESGG:DIQMTQSPS"}])
    text: Text | None = None
    format: Format | None = None

    @model_validator(mode="after")
    def _one_source(self) -> SidesRequest:
        if (self.sides is None) == (self.text is None):
            raise ValueError("give either sides (an object of names and sequences) or text (FASTA or CSV)")
        return self


class ScreenRequest(_Strict):
    """Two lists of sides; each ligand meets each receptor."""

    ligands: SidesRequest
    receptors: SidesRequest
    per: Literal["ligand", "receptor"] = "receptor"
    top_k: int | None = Field(None, ge=1)
    min_pkd: float | None = Field(None, ge=-100, le=100)


class Predictions(BaseModel):
    """One object a complex, in input order; the columns are those of `ppi predict`."""

    predictions: list[dict[str, Any]]


class Accepted(BaseModel):
    """A job that waits."""

    id: str
    kind: str
    state: str


class Progress(BaseModel):
    """How far a job is in what it does at present."""

    what: str
    done: int
    total: int


class JobAnswer(Accepted):
    """A job; `result` has `summary` and `rows` once it is done."""

    progress: Progress | None = None
    error: str | None = None
    result: dict[str, Any] | None = None


class ErrorAnswer(BaseModel):
    """Why there is no other answer."""

    error: str
