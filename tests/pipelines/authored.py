"""What a scripted author answers about eleven captions, type by type, and the rule that each answer should fail.

`GOOD` are kept. An answer is the original and its replacement, or a whole text where even that is not so.
"""

GOOD = "kept"

CAPTIONS = (
    "A red bicycle stands left of a wooden bench. Three cups lie under the round lamp, and the gate is open. "
    "A sign reads “Exit”.",
    "A blue car is parked right of a metal fence. Four crates stand behind the square tower, and the road is wet. "
    "A board says “Market”.",
    "An orange boat floats below a stone bridge. Two ducks swim above the flat rocks, and the sail is folded. "
    "Its hull reads “Anna”.",
    "A green chair leans against a glass door. Five books lie on the oval table, and the window is closed. "
    "One cover reads “Atlas”.",
    "A yellow bus waits in front of a brick house. Six windows are lit, a round sign hangs outside, and the roof is "
    "bent. It reads “Line 4”.",
    "A black cat sleeps on a leather sofa. Two pillows lie left of it, the rug is rectangular, and the curtain is "
    "clean. A mug says “Home”.",
    "No dog is in the yard. A white goat stands inside a wooden pen. Seven apples lie by the triangular trough, and "
    "the hay is dry. A tag reads “B12”.",
    "The cloud looks like a grey horse. A tall tower rises above a steel bridge, eight flags hang from square poles, "
    "and the sky is cloudy. A banner reads “Fair”.",
    "One lamp hangs above the other. A pink vase stands on a marble shelf, nine tiles are hexagonal, and the frame is "
    "broken. A label reads “Fragile”.",
    "A brown dog follows a small dog. Ten bottles stand right of a plastic crate, the lid is conical, and the tap is "
    "rusty. A poster says “Sale”.",
    "A purple kite flies over a wide beach. Four boys run behind it, the shell is spiral, the rope is cotton, and the "
    "flag is wet. It reads “Surf”.",
)

AUTHORED: tuple[tuple[int, str, tuple[str, str] | str, str], ...] = (
    (0, "object", ("bicycle", "motorcycle"), GOOD),
    (0, "attribute", ("red bicycle", "green bicycle"), GOOD),
    (0, "count", ("Three cups", "Four cups"), GOOD),
    (0, "material", ("wooden bench", "metal bench"), GOOD),
    (0, "spatial", ("left of", "right of"), GOOD),
    (0, "condition", ("open", "closed"), GOOD),
    (0, "shape", ("round lamp", "square lamp"), GOOD),
    (0, "text", ("Exit", "Exif"), GOOD),
    (1, "object", ("car", "automobile"), "synonym"),
    (1, "attribute", ("blue car", "turquoise car"), "indistinct"),
    (1, "count", ("Four crates", "Some crates"), "wrong_type"),
    (1, "material", ("metal fence", "steel fence"), "not_voted_false"),
    (1, "spatial", ("right of", "east of"), "wrong_type"),
    (1, "condition", ("wet", "wet"), "no_change"),
    (1, "shape", ("square tower", "round tower"), "not_voted_true"),
    (1, "text", ("Market", "Markct"), GOOD),
    (2, "object", ("An orange boat", "An orange vessel"), "broader_or_narrower"),
    (2, "attribute", ("An orange boat", "An blue boat"), "article"),
    (2, "count", ("Two ducks", "One duck"), "one_or_many"),
    (2, "material", ("stone bridge", "rock bridge"), "synonym"),
    (2, "spatial", ("below", "over"), GOOD),
    (2, "condition", ("folded", "unfolded"), GOOD),
    (2, "shape", ("flat rocks", "domed rocks"), GOOD),
    (2, "text", ("Anna", "Emma"), GOOD),
    (3, "object", ("stool", "bench"), "not_in_caption"),
    (3, "attribute", ("green chair", "chair"), "no_change"),
    (3, "count", ("Five books", "Four books"), "no_verdict"),
    (3, "material", "wood instead of glass", "unusable"),
    (3, "spatial", ("leans against a", "stands far away from a"), "more_than_one_change"),
    (3, "condition", ("closed", "shut"), "synonym"),
    (3, "shape", ("oval table", "rectangular table"), GOOD),
    (3, "text", ("Atlas", "Altas"), GOOD),
    (4, "object", ("bus", "truck"), GOOD),
    (4, "attribute", ("yellow bus", "golden bus"), "indistinct"),
    (4, "count", ("Six windows", "Eight windows"), GOOD),
    (4, "material", ("brick house", "wooden house"), GOOD),
    (4, "spatial", ("in front of", "behind"), GOOD),
    (4, "condition", ("bent", "crooked"), "not_voted_false"),
    (4, "shape", ("a round sign hangs outside, and", "a square sign hangs outside, and"), "too_long"),
    (4, "text", ("Line 4", "Line 9"), GOOD),
    (5, "object", ("sofa", "couch"), "synonym"),
    (5, "attribute", ("black cat", "white cat"), GOOD),
    (5, "count", ("Two pillows", "Three pillows"), GOOD),
    (5, "material", ("leather sofa", "leather sofa"), "no_change"),
    (5, "spatial", ("left of", "right of"), GOOD),
    (5, "condition", ("clean", "dirty"), GOOD),
    (5, "shape", ("rectangular", "round"), GOOD),
    (5, "text", ("clean", "dirty"), "wrong_type"),
    (6, "object", ("dog", "rabbit"), "negated"),
    (6, "attribute", ("white goat", "black goat"), GOOD),
    (6, "count", ("Seven apples", "Nine apples"), GOOD),
    (6, "material", '{"original": "wooden pen"}', "unusable"),
    (6, "spatial", ("inside", "outside"), GOOD),
    (6, "condition", ("dry", "wet"), GOOD),
    (6, "shape", ("triangular trough", "square trough"), GOOD),
    (6, "text", ("B12", "B13"), GOOD),
    (7, "object", ("horse", "deer"), "hedged"),
    (7, "attribute", ("tall tower", "low tower"), GOOD),
    (7, "count", ("eight flags", "banners"), "wrong_type"),
    (7, "material", ("steel bridge", "wooden bridge"), GOOD),
    (7, "spatial", ("above", "below"), GOOD),
    (7, "condition", ("cloudy", "cloudless"), GOOD),
    (7, "shape", ("square poles", "round poles"), GOOD),
    (7, "text", ("Fair", "Hair"), GOOD),
    (8, "object", ("vase", "jar"), "broader_or_narrower"),
    (8, "attribute", ("pink vase", "green vase"), GOOD),
    (8, "count", ("nine tiles", "ten tiles"), GOOD),
    (8, "material", ("marble shelf", "wooden shelf"), GOOD),
    (8, "spatial", ("above", "below"), "same_either_way"),
    (8, "condition", ("broken", "intact"), GOOD),
    (8, "shape", ("hexagonal", "octagonal"), GOOD),
    (8, "text", '{"original": "Fragile", "replacement": 7}', "unusable"),
    (9, "object", ("dog", "cat"), "not_once"),
    (9, "attribute", ("brown dog", "small dog"), "said_of_another"),
    (9, "count", ("Ten bottles", "Nine bottles"), GOOD),
    (9, "material", ("plastic crate", "wooden crate"), GOOD),
    (9, "spatial", ("right of", "left of"), GOOD),
    (9, "condition", ("rusty", "bottle"), "wrong_type"),
    (9, "shape", ("conical", "cylindrical"), GOOD),
    (9, "text", "{" * 90, "cut_off"),
    (10, "object", ("kite", "shell"), "said_of_another"),
    (10, "attribute", ("purple kite", "yellow kite"), GOOD),
    (10, "count", ("Four boys", "Fewer boys"), "wrong_type"),
    (10, "material", ("cotton", "silk"), GOOD),
    (10, "spatial", ("over", "under"), GOOD),
    (10, "condition", ("wet", "dry"), GOOD),
    (10, "shape", ("spiral", "zigzag"), GOOD),
    (10, "text", ("“Surf”", "“Turf”"), "wrong_type"),
)

VOTES = {
    "A blue car is parked right of a steel fence.": "yes yes no",
    "Four crates stand behind the square tower, and the road is wet.": "no no no",
    "Four books lie on the oval table, and the window is closed.": "yes maybe no",
    "Six windows are lit, a round sign hangs outside, and the roof is crooked.": "yes yes yes",
}
"""What three voters say of a sentence; of all others yes where it stands in a caption, and no where it does not."""
