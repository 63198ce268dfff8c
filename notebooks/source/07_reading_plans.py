# %% [markdown]
# # 07 · Reading plans: the clinic
#
# In twenty minutes: ten queries that are slow, or give too few rows, each with another cause. You look at what Postgres
# did, name the cause, cure it, and see the plan change.
#
# **How to read a plan.** A plan is a tree of steps. Each gets its rows from the steps below it and hands them on
# upwards. In the picture a step is as wide as it took; what it left to those below shows as their width. In the table
# *own ms* is the time of a step alone, *rows* is what it gave, *removed* what it threw away. Find the step with the
# longest bar; then ask why it had so many rows to work on. A search that uses its vector index has an `Index Scan
# using clinic_vectors`; one that does not has a `Seq Scan` under a `Sort`.
#
# **How a visit goes.** *Predict* before you run the cell: will the index be used, and how many rows will come? Run it.
# Look at the picture and the table, and read what was found. Then change the statement in the same cell and run it
# again, until nothing is found any more. Each patient's solution is folded below it.
#
# **The patients' table** is `clinic`: 12,000 tickets and articles of a help desk, with an HNSW index for the cosine
# distance, `<=>`, and an ordinary index for the tenant.

# %%
# %load_ext pgvec_magic
# %vconnect
# %vload clinic sample:helpdesk:12000
import pgvec_magic as pv

pv.sql(
    pv.current(),
    """
    CREATE INDEX IF NOT EXISTS clinic_vectors ON clinic USING hnsw (embedding vector_cosine_ops);
    CREATE INDEX IF NOT EXISTS clinic_workspace ON clinic (workspace_id);
    ANALYZE clinic
    """,
)

# %% [markdown]
# ## 1 · The similarity
#
# *"I want the most similar first, so I sort by similarity."* It is the order that was meant. Is it the order that an
# index has?

# %%
# %%vsql clinic -q "the printer does not print" --explain -o one
# SELECT id, title, 1 - (embedding <=> :query) AS similarity
# FROM clinic ORDER BY similarity DESC LIMIT 10

# %% [markdown]
# <details><summary>Solution</summary>
#
# An index gives the rows in ascending order of the distance, and of nothing that is computed from it. Order by the
# distance; the similarity may stand among the columns.
#
# ```sql
# SELECT id, title, 1 - (embedding <=> :query) AS similarity
# FROM clinic ORDER BY embedding <=> :query LIMIT 10
# ```
# </details>
#
# ## 2 · The other distance
#
# *"The index is there, I have built it myself."* Which distance was it built for?

# %%
# %%vsql clinic -q "the printer does not print" --explain -o two
# SELECT id, title FROM clinic ORDER BY embedding <-> :query LIMIT 10

# %% [markdown]
# <details><summary>Solution</summary>
#
# `<->` is the Euclidean distance, and `vector_cosine_ops` serves `<=>`. Which of the two is right is a matter of the
# model, not of the index: if it were `<->`, an index with `vector_l2_ops` would be the cure.
#
# ```sql
# SELECT id, title FROM clinic ORDER BY embedding <=> :query LIMIT 10
# ```
# </details>
#
# ## 3 · The cast that nobody wrote
#
# *"Half of the precision is enough for the question."* Look at the sort key: what is the column being compared as?

# %%
# %%vsql clinic -q "the printer does not print" --explain -o three
# SELECT id, title FROM clinic ORDER BY embedding <=> :query::halfvec LIMIT 10

# %% [markdown]
# <details><summary>Solution</summary>
#
# Between a `vector` and a `halfvec` Postgres casts the vector: each row's, not the question. The index is on the column
# as it is. Cast the question to the column's type.
#
# ```sql
# SELECT id, title FROM clinic ORDER BY embedding <=> :query::vector LIMIT 10
# ```
# </details>
#
# ## 4 · The question in a join
#
# *"More like ticket 17."* One row to compare with, and yet all others are read. What does the planner know of `mine`?

# %%
# %%vsql clinic --explain -o four
# SELECT c.id, c.title FROM clinic AS c JOIN clinic AS mine ON mine.id = 17
# ORDER BY c.embedding <=> mine.embedding LIMIT 10

# %% [markdown]
# <details><summary>Solution</summary>
#
# A column of a joined table may be another vector for every row, so there is nothing to look up in an index. A scalar
# subquery is one vector, computed once, before the search.
#
# ```sql
# SELECT id, title FROM clinic
# ORDER BY embedding <=> (SELECT embedding FROM clinic WHERE id = 17) LIMIT 10
# ```
# </details>
#
# ## 5 · One of each
#
# *"Tickets are reported again and again; I want each of them once."* How many rows must be known before the first
# group is?

# %%
# %%vsql clinic -q "the printer does not print" --explain -o five
# SELECT * FROM (
#   SELECT DISTINCT ON (first_report) first_report, title, embedding <=> :query AS distance
#   FROM clinic ORDER BY first_report, distance) AS best
# ORDER BY distance LIMIT 10

# %% [markdown]
# <details><summary>Solution</summary>
#
# `DISTINCT ON` needs all rows in the order of the groups. Take more than enough of the nearest first, 40 for the ten
# that are wanted, and make them different among themselves. `MATERIALIZED` keeps the two steps apart.
#
# ```sql
# WITH near AS MATERIALIZED (
#   SELECT first_report, title, embedding <=> :query AS distance
#   FROM clinic ORDER BY distance LIMIT 40)
# SELECT * FROM (
#   SELECT DISTINCT ON (first_report) * FROM near ORDER BY first_report, distance) AS best
# ORDER BY distance LIMIT 10
# ```
# In `%%vsearch` this is `--per first_report`.
# </details>
#
# ## 6 · Numbered first
#
# *"My hybrid search needs the rank of each row."* This is how many published recipes compute it. Which rows get a
# number?

# %%
# %%vsql clinic -q "the printer does not print" --explain -o six
# SELECT id, title, rank FROM (
#   SELECT id, title, row_number() OVER (ORDER BY embedding <=> :query) AS rank FROM clinic) AS ranked
# ORDER BY rank LIMIT 10

# %% [markdown]
# <details><summary>Solution</summary>
#
# All 12,000 are numbered before the LIMIT chooses ten of them. Take the nearest first, and number those.
#
# ```sql
# SELECT id, title, row_number() OVER (ORDER BY distance) AS rank FROM (
#   SELECT id, title, embedding <=> :query AS distance FROM clinic ORDER BY distance LIMIT 10) AS near
# ```
# </details>
#
# ## 7 · Near and new
#
# *"A ticket from last week is worth more than one from last year."* A sum of a distance and an age: which index has
# that order?

# %%
# %%vsql clinic -q "the printer does not print" --explain -o seven
# SELECT id, title FROM clinic
# ORDER BY (embedding <=> :query) + 0.0002 * extract(day FROM '2025-07-01' - created_at) LIMIT 10

# %% [markdown]
# <details><summary>Solution</summary>
#
# None. Take candidates by the pure distance, more than are wanted, and order these by the sum.
#
# ```sql
# WITH near AS MATERIALIZED (
#   SELECT id, title, created_at, embedding <=> :query AS distance
#   FROM clinic ORDER BY distance LIMIT 40)
# SELECT id, title FROM near
# ORDER BY distance + 0.0002 * extract(day FROM '2025-07-01' - created_at) LIMIT 10
# ```
# </details>
#
# ## 8 · A hundred, please
#
# *"It is fast. But is it all?"* The index is used, and nothing is slow. Compare the rows that came with the LIMIT.

# %%
# %%vsql clinic -q "the printer does not print" --explain -o eight
# SELECT id, title FROM clinic ORDER BY embedding <=> :query LIMIT 100

# %% [markdown]
# <details><summary>Solution</summary>
#
# An HNSW scan gives at most `hnsw.ef_search` rows, 40 unless it is set. The statement is right; the setting is not. It
# is sent with the statement, for this one only.
#
# ```
# %%vsql clinic -q "the printer does not print" --set hnsw.ef_search=100 --explain -o eight
# SELECT id, title FROM clinic ORDER BY embedding <=> :query LIMIT 100
# ```
# `%%vsearch` sets it by itself.
# </details>
#
# ## 9 · Behind a filter
#
# *"There are more than a thousand runbooks, and it does not even find ten."* How many rows did the index give, and how
# many of them did the filter remove?

# %%
# %%vsql clinic -q "the printer does not print" --explain -o nine
# SELECT id, title FROM clinic WHERE kind = 'runbook'
# ORDER BY embedding <=> :query LIMIT 10

# %% [markdown]
# <details><summary>Solution</summary>
#
# The index gives its 40 nearest rows, whatever the filter, and the filter throws them away. An iterative scan goes on
# until enough are left.
#
# ```
# %%vsql clinic -q "the printer does not print" --set hnsw.iterative_scan=strict_order --explain -o nine
# SELECT id, title FROM clinic WHERE kind = 'runbook'
# ORDER BY embedding <=> :query LIMIT 10
# ```
# For a filter that few rows pass, an ordinary index on its column and an exact search of what is left is faster;
# `%%vsearch` asks the planner how many rows these are, and chooses.
# </details>
#
# ## 10 · Only what is near enough
#
# *"I do not want ten rows, I want those within 0.4."* A distance in WHERE: can an index look that up?

# %%
# %%vsql clinic -q "the printer does not print" --explain -o ten
# SELECT id, title FROM clinic WHERE embedding <=> :query < 0.4

# %% [markdown]
# <details><summary>Solution</summary>
#
# No: a vector index gives an order, not a range. Take the nearest, and cut outside of them.
#
# ```sql
# WITH near AS MATERIALIZED (
#   SELECT id, title, embedding <=> :query AS distance FROM clinic ORDER BY distance LIMIT 40)
# SELECT id, title FROM near WHERE distance < 0.4
# ```
# If all 40 are within, there may be more: raise the LIMIT. In `%%vsearch` this is `--max-distance 0.4`.
# </details>
#
# ## The round
#
# Every statement as you left it, explained once more by the database as it is now.

# %%
from pgvec_magic.lessons import clinic

clinic.visit(one, two, three, four, five, six, seven, eight, nine, ten)

# %% [markdown]
# **Three things to take away**
#
# 1. A vector index gives one order, ascending, of one operator on one column. Whatever else a query wants comes after
#    it, around a LIMIT.
# 2. A fast plan can be a wrong one: compare the rows that came with the rows that you asked for.
# 3. `--explain` belongs to every query that surprises you. `.save("plan.html")` takes it to a colleague.
