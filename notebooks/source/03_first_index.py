# %% [markdown]
# # 03 · Your first index
#
# In twenty minutes you will have built the two kinds of vector index that pgvector has, and you will know what each
# costs you, in time, size and memory, and what share of the true answers it finds: in figures that you have measured.
#
# There are two exercises; each runs as it stands, and its solution is folded below it. The table is `library`: 10,000
# tickets and articles of a help desk, each with a vector of 256 numbers.

# %%
# %load_ext pgvec_magic
# %vconnect
# %vload library sample:helpdesk:10000 --replace

# %% [markdown]
# ## 1 · Without an index
#
# Postgres compares the question with every row, and keeps the nearest. That is *exact*: nothing can be missed. Look at
# the plan: how many rows did the `Seq Scan` read, and how long did that take?

# %%
# %%vsearch library -k 5 --columns id,title --explain
# the printer does not print

# %% [markdown]
# ## 2 · HNSW
#
# A graph in which each row is linked to some of its neighbours. A search walks along the links, towards the question,
# and sees a small part of the rows. **Predict** before you run the cell: the vectors of the table are 10,000 × 256
# numbers of 4 bytes, which is 10 MB. How many MB will the index be? Write your number for `None`.

# %%
guess = None
# %vindex build library --name library_hnsw

# %% [markdown]
# *size* is on disk: the vectors are stored once more, with their links, in whole pages. *memory* is what the build was
# given, and *beforehand* beside it what it would need. Both were computed before it began, and not by a rule of thumb.
#
# The same search again. What is in the place of the `Seq Scan`, how many pages did it touch, and how long did it take?

# %%
# %%vsearch library -k 5 --columns id,title --explain
# the printer does not print

# %% [markdown]
# **Break it: too little memory.** The same index with less than half of what it needs. **Predict:** does it fail?
# Compare the time, and read the line *memory*.

# %%
# %vindex build library --name library_tight --memory 8MB

# %% [markdown]
# It does not fail. The rows that do not fit are put into the part of the index that is on disk, one by one, which is
# slower. Postgres says so in a NOTICE, which many clients hide. `%vindex build` without `--memory` takes what the build
# needs, if the machine can spare it; plain `CREATE INDEX` takes what `maintenance_work_mem` says: 64 MB, unless
# somebody has changed it.
#
# ## 3 · IVFFlat
#
# The rows are sorted into *lists*, by which of some centres they are nearest to. A search looks into the list whose
# centre is nearest to the question (`ivfflat.probes` of them: 1 unless it is set). **Predict:** is it built faster than
# the graph, or slower? Smaller, or larger?

# %%
# %vindex drop library --name library_tight
# %vindex build library --method ivfflat --name library_ivfflat

# %% [markdown]
# ## 4 · What do they find?
#
# A hundred rows of the table are asked about, each without itself, first exactly and then through each index.
# *Recall@10* is the share of the ten true neighbours that the index found, on average; *least* is the worst of the
# hundred searches, for an average near 1 may hide one that found nothing. *p50 ms* is the time of the one in the
# middle. Each index has a setting that says how far a search looks,
# `ef_search` or `probes`; "(now)" is at the value that searches use today.

# %%
# %vrecall library --index library_hnsw,library_ivfflat --queries 100 -o curve

# %%
curve.figure()

# %% [markdown]
# Upwards: more of the true neighbours. To the right: slower. Which line is above the other at the same time? That is
# the better index for these searches. Time, size and memory of its build are the price.
#
# ## 5 · Exercise 1: built too early
#
# *"We made the index together with the table; the rows came later."* An IVFFlat index chooses its centres when it is
# built, from the rows that are there. Here none were.

# %%
# %%vsql
# DROP TABLE IF EXISTS library_early;
# CREATE TABLE library_early (id bigint PRIMARY KEY, title text, embedding vector(256));
# CREATE INDEX library_early_ivfflat ON library_early USING ivfflat (embedding vector_cosine_ops) WITH (lists = 10);
# INSERT INTO library_early SELECT id, title, embedding FROM library;
# ANALYZE library_early

# %% [markdown]
# Measure its recall, and compare it with that of `library_ivfflat` above, at 1 and at 3: rows and number of lists are
# the same. Then put the cure in front of the measurement: `%vindex` has a word for it.

# %%
# the index is as old as the table
# %vrecall library_early --queries 100

# %% [markdown]
# <details><summary>Solution</summary>
#
# Build it anew, now that the rows are there. `reindex` does it while others read and write.
#
# ```
# %vindex reindex library_early
# %vrecall library_early --queries 100
# ```
# An HNSW index has no centres: it may be made before the rows. Then each row pays when it comes, one by one.
# </details>
#
# ## Exercise 2: the setting that is enough
#
# *"Of a hundred neighbours, ninety-nine are to be found."* Which is the lowest `ef_search` that does it on your curve?
# Let it be found with `--target`, and stored with `--apply index`, for this index and the searches of this notebook.

# %%
# %vrecall library --index library_hnsw --queries 100

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```
# %vrecall library --index library_hnsw --queries 100 --target 0.99 --apply index
# ```
# It is written into the index's comment, so it is there tomorrow. The next `%vrecall` says whether the index still
# finds as much.
# `--apply database` sets it for every client.
# </details>
#
# ## The check
#
# What the database has now, not what the cells have shown.

# %%
from pgvec_magic.lessons import first_index

first_index.check(guess)

# %% [markdown]
# **Three things to take away**
#
# 1. HNSW: dear to build, quick and nearly exact to search, may be made before the rows. IVFFlat: cheap to build, needs
#    its rows first, and again after many more.
# 2. An index is a trade of recall for time. Nobody else's figures hold for your vectors: `%vrecall`.
# 3. Memory decides how long a build takes, and it can be computed beforehand. Look at what was predicted.
