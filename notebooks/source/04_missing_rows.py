# %% [markdown]
# # 04 · ef_search, LIMIT and the missing rows
#
# In twenty minutes you will know why a search through an index may give fewer rows than you asked for without a word
# of warning, how to see it, and three ways to get the rows back.
#
# Everything here is done `--as-is` first: as any client of Postgres would do it, with no setting changed. Fill in what
# you *predict* before you run a cell. There are three exercises; each runs as it stands, and its solution is folded
# below it. The table is `desk`: 8,000 tickets and articles of a help desk, with an HNSW index.

# %%
# %load_ext pgvec_magic
# %vconnect
# %vload desk sample:helpdesk:8000 --replace
import pgvec_magic as pv

pv.sql(
    pv.current(),
    """
    CREATE INDEX desk_hnsw ON desk USING hnsw (embedding vector_cosine_ops);
    ALTER TABLE desk SET (autovacuum_enabled = off);
    ANALYZE desk
    """,
)

# %% [markdown]
# (Autovacuum tidies up tables behind everybody's back. This one table is left to you: part 4 shows why.)
#
# ## 1 · A hundred, please
#
# The table has thousands of rows, there is no condition, and you ask for the nearest hundred. **Predict:** how many
# will come? Write your number for `None`.

# %%
guess = None
# %vsearch desk -k 100 --columns id,title --as-is -o asked the printer does not print

# %% [markdown]
# An HNSW index is a graph: each row is linked to some of its neighbours. A search walks along the links, towards the
# question, and keeps a list of the nearest rows it has met. The list has room for `hnsw.ef_search` rows, 40 unless you
# say otherwise. When the walk ends the list is handed over. Whoever asked for more gets the list. The red note is this
# notebook's: to any other client Postgres gives 40 rows, and no word that there are more.
#
# **Look** at the plan: *rows* is what the index scan gave, *planned rows* what Postgres had expected. It believed in
# your hundred as well.

# %%
# %%vsearch desk -k 100 --columns id,title --as-is --explain
# the printer does not print

# %% [markdown]
# **The same without `--as-is`.** `%%vsearch` makes the list as long as the question needs, for this one statement. The
# line above the picture says what was set.

# %%
# %%vsearch desk -k 100 --columns id,title --explain
# the printer does not print

# %% [markdown]
# ## 2 · What the length of the list does
#
# A short list loses rows in two ways. There may be **too few** of them: with `ef_search = 1` one row comes, whatever
# the LIMIT. And they may be **the wrong ones**: a walk that remembers little ends too early. *Recall@10* counts both:
# of the ten rows that an exact search gives, what share came through the index? **Predict** it for 1, for 10 and for
# 100. A hundred rows of the table are asked about; each finds itself first, which does not count, so a list of ten has
# nine to give. *short* is the share of searches that gave fewer than ten.

# %%
# %vrecall desk --queries 100 --ef-search 1,5,10,20,40,100 -o curve

# %%
curve.figure()

# %% [markdown]
# To the right: slower. Upwards: more of the true neighbours. The ring is at what searches use now. Where the line has
# become flat a longer list only costs time; where it is steep each step is worth it. Your own vectors have a curve of
# their own, so measure it on them.
#
# ## 3 · Exercise 1: the fifth page
#
# *"Ten rows a page. Pages one to four are fine, and the fifth is empty. So that was all, was it not?"* OFFSET throws
# rows away that the scan has given: which of its 40 are left? Set something for this statement, with `--set`, so that
# the fifth page has its ten rows.

# %%
# %%vsql desk -q "the printer does not print" --explain -o page
# SELECT id, title FROM desk ORDER BY embedding <=> :query LIMIT 10 OFFSET 40

# %% [markdown]
# <details><summary>Solution</summary>
#
# OFFSET 40 and LIMIT 10 need a list of 50.
#
# ```
# %%vsql desk -q "the printer does not print" --set hnsw.ef_search=50 --explain -o page
# SELECT id, title FROM desk ORDER BY embedding <=> :query LIMIT 10 OFFSET 40
# ```
# `%%vsearch` counts `--offset` in by itself.
# </details>
#
# ## Exercise 2: more than the list can be
#
# *"Give me the nearest 1,200, I sort them out myself."* `hnsw.ef_search` is at most 1,000. Is there another setting
# that lets the walk go on where the list has ended?

# %%
# %%vsql desk -q "the printer does not print" --explain -o many
# SELECT id, title FROM desk ORDER BY embedding <=> :query LIMIT 1200

# %% [markdown]
# <details><summary>Solution</summary>
#
# An iterative scan hands its list over, and walks on for the next, until there are enough rows. It gives up after
# `hnsw.max_scan_tuples`, 20,000 unless it is set.
#
# ```
# %%vsql desk -q "the printer does not print" --set hnsw.iterative_scan=strict_order --explain -o many
# SELECT id, title FROM desk ORDER BY embedding <=> :query LIMIT 1200
# ```
# For so large a share of the table an exact search is often no slower: compare the times.
# </details>
#
# ## 4 · Exercise 3: the dead
#
# Now something breaks that no LIMIT explains. A matter is closed, and somebody deletes the 300 rows that are nearest to
# it.

# %%
# %%vsql desk -q "the VPN drops every few minutes"
# DELETE FROM desk WHERE id IN (SELECT id FROM desk ORDER BY (embedding <=> :query) + 0 LIMIT 300)

# %% [markdown]
# 7,700 rows are left, and ten are wanted: fewer than 40. **Predict** how many come, then search.
#
# A deleted row stays in the index until VACUUM takes it out. Until then the walk meets it, it takes its place on the
# list, and only afterwards Postgres sees that the row is dead, and drops it. What has to be done before this search?
# Put it into the cell, in place of the comment: `pv.sql(pv.current(), "…")` runs any SQL.

# %%
# the table as it is
# %vsearch desk --columns id,title --as-is --explain the VPN drops every few minutes

# %% [markdown]
# <details><summary>Solution</summary>
#
# VACUUM takes dead rows out of the index, and mends the links that led through them. Where less than 2 % of a table's
# pages have dead rows it spares itself the indexes, unless it is told not to: `INDEX_CLEANUP ON`.
#
# ```
# pv.sql(pv.current(), "VACUUM (INDEX_CLEANUP ON) desk")
# %vsearch desk --columns id,title --as-is --explain the VPN drops every few minutes
# ```
# Autovacuum does this when a fifth of a table is dead, which is late for such an index. `ALTER TABLE … SET
# (autovacuum_vacuum_scale_factor = 0.01)` makes it a hundredth.
# </details>
#
# ## The check
#
# Your statements, run once more by the database as it is now.

# %%
from pgvec_magic.lessons import missing_rows

missing_rows.check(page, many, guess=guess, came=len(asked.rows))

# %% [markdown]
# **Three things to take away**
#
# 1. An HNSW scan gives at most `hnsw.ef_search` rows, 40 unless it is set. LIMIT plus OFFSET must fit into it, or the
#    scan must be iterative.
# 2. What is dropped after the scan (dead rows, filtered rows, skipped pages) is missing at the end. Lesson 05 is about
#    the filters.
# 3. Nothing fails, and it is fast. Compare the rows that came with those that you asked for, always.
