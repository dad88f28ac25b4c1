"""What a free query may be made of. What is not named here is refused, whatever it does."""

from sqlglot import exp

#: The shape of a query, with the parts that each may have; a part that is not named must be empty.
CLAUSES: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: frozenset(
        {"with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "windows", "order", "limit",
         "offset"}
    ),
    exp.Union: frozenset({"with_", "this", "expression", "distinct", "order", "limit", "offset"}),
    exp.Except: frozenset({"with_", "this", "expression", "distinct", "order", "limit", "offset"}),
    exp.Intersect: frozenset({"with_", "this", "expression", "distinct", "order", "limit", "offset"}),
    exp.With: frozenset({"expressions"}),
    exp.CTE: frozenset({"this", "alias"}),
    exp.Subquery: frozenset({"this", "alias", "order", "limit", "offset"}),
    exp.Table: frozenset({"this", "db", "alias"}),
    exp.TableAlias: frozenset({"this", "columns"}),
    exp.From: frozenset({"this"}),
    exp.Join: frozenset({"this", "on", "side", "kind", "using"}),
    exp.Column: frozenset({"this", "table"}),
    exp.Group: frozenset({"expressions"}),
    exp.Order: frozenset({"expressions"}),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Limit: frozenset({"expression"}),
    exp.Offset: frozenset({"expression"}),
    exp.Window: frozenset({"this", "partition_by", "order", "spec", "alias", "over"}),
    exp.WindowSpec: frozenset({"kind", "start", "start_side", "end", "end_side"}),
    exp.Distinct: frozenset({"expressions"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.DataType: frozenset({"this", "expressions", "nested", "kind"}),
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Star: frozenset(),
    exp.Interval: frozenset({"this", "unit"}),
}  # fmt: skip

#: Plain parts of an expression.
PARTS: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Identifier, exp.Alias, exp.Literal, exp.Null, exp.Boolean, exp.Paren, exp.Tuple, exp.Var, exp.DataTypeParam,
        exp.Where, exp.Having, exp.Filter, exp.And, exp.Or, exp.Not, exp.Neg, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT,
        exp.LTE, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.Like, exp.ILike, exp.Escape, exp.Add,
        exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.DPipe, exp.Exists, exp.Case, exp.If, exp.Placeholder,
        exp.TsOrDsToDate, exp.TsOrDsToTimestamp,
    }
)  # fmt: skip

#: Functions that compute a value from values of about its size, and no others: none reads, waits, writes or repeats.
FUNCTIONS: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance,
        exp.LogicalAnd, exp.LogicalOr, exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile, exp.Lag, exp.Lead,
        exp.FirstValue, exp.LastValue, exp.Upper, exp.Lower, exp.Initcap, exp.Length, exp.Trim, exp.Substring, exp.Left,
        exp.Right, exp.StrPosition, exp.SplitPart, exp.Concat, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least,
        exp.Abs, exp.Round, exp.Ceil, exp.Floor, exp.Sign, exp.Sqrt, exp.Extract, exp.Date, exp.Year, exp.Month,
        exp.Day, exp.CurrentDate, exp.CurrentTimestamp, exp.TimestampTrunc, exp.DateTrunc, exp.TimeToStr, exp.DateAdd,
        exp.DateSub, exp.DateDiff,
    }
)  # fmt: skip

#: Functions of a dialect that the parser has no class for.
NAMED: dict[str, frozenset[str]] = {
    "sqlite": frozenset({"DATE", "DATETIME", "TIME", "JULIANDAY", "UNIXEPOCH", "TOTAL"}),
    "postgres": frozenset({"AGE", "MAKE_DATE"}),
    "mysql": frozenset(),
}

#: What SQLite's own check of each function knows them by, once they are written out.
SQLITE_FUNCTIONS = frozenset(
    {
        "count", "sum", "avg", "min", "max", "row_number", "rank", "dense_rank", "ntile", "lag", "lead",
        "first_value", "last_value", "upper", "lower", "length", "trim", "ltrim", "rtrim", "substr", "substring",
        "instr", "coalesce", "ifnull", "iif", "nullif", "abs", "round", "ceil", "ceiling", "floor", "sign", "sqrt",
        "date", "datetime", "time", "julianday", "unixepoch", "strftime", "total", "like", "current_date",
        "current_timestamp", "current_time",
    }
)  # fmt: skip

#: Types that a value may be cast to.
TYPES = frozenset(
    {
        exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.FLOAT, exp.DType.DOUBLE,
        exp.DType.DECIMAL, exp.DType.BOOLEAN, exp.DType.CHAR, exp.DType.NCHAR, exp.DType.VARCHAR, exp.DType.NVARCHAR,
        exp.DType.TEXT, exp.DType.DATE, exp.DType.TIME, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.DATETIME,
    }
)  # fmt: skip

#: Words that stand unquoted: units of time.
WORDS = frozenset(
    {
        "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "DOW", "DOY", "ISODOW", "ISOYEAR",
        "EPOCH",
    }
)  # fmt: skip

#: What makes a value longer than its parts; chained over nested queries it doubles it each time.
JOINING: tuple[type[exp.Expr], ...] = (exp.DPipe, exp.Concat)
JOINING_MAX = 8
