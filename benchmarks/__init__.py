"""What the README's figures come from: each module measures some of them, side by side in one run."""
