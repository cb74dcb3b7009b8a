// NOTICE: the prefix ranges in this file are data taken from two open-source projects, both under the MIT licence:
//
//   `groups`    braintree/credit-card-type, commit fbd8ed80 (2026-06-30). Copyright (c) 2009-2018 Braintree.
//   `families`  activemerchant/active_merchant, commit ca45b1b0 (2025-11-04). Copyright (c) 2005-2010 Tobias Luetke.
//
// Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
// documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
// rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
// persons to whom the Software is furnished to do so, subject to the following conditions:
//
// The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
// Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
// WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
// COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
// OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

/// The rows behind `IssuerRanges`: pairs of the lowest and the highest prefix, both with the same number of digits.
enum IssuerRangeTable {
    /// The prefixes of one brand.
    struct Group {
        let brand: Brand
        let prefixes: [UInt32]

        init(_ brand: Brand, _ prefixes: [UInt32]) {
            self.brand = brand
            self.prefixes = prefixes
        }
    }

    /// The prefixes of a card family that is never answered as a brand, but that a token should not look like.
    struct Family {
        let name: String
        let prefixes: [UInt32]

        init(_ name: String, _ prefixes: [UInt32]) {
            self.name = name
            self.prefixes = prefixes
        }
    }

    /// The brands, in the order of the source, which decides between prefixes of the same length: Maestro's ranges come
    /// before Verve's and Troy's before Elo's. (Every Verve prefix today lies in a Maestro range of the same length.)
    static let groups: [Group] = [
        Group(.visa, [4, 4]),
        Group(.mastercard, [51, 55, 2221, 2229, 223, 229, 23, 26, 270, 271, 2720, 2720]),
        Group(.amex, [34, 34, 37, 37]),
        Group(.diners, [300, 305, 36, 36, 38, 38, 39, 39]),
        Group(
            .troy,
            [
                9792, 9792, 650052, 650052, 650082, 650083, 650092, 650092, 650161, 650161, 650170, 650170, 650173,
                650173,
                650175, 650175, 650268, 650268, 650271, 650271, 650273, 650274, 650456, 650457, 650836, 650836,
                650846, 650850, 650923, 650923, 650987, 650987, 650990, 650990, 654997, 654997, 657366, 657366,
                657998, 657998, 658758, 658758, 658767, 658768, 65083700, 65083704, 65085800, 65085804, 65085900,
                65085901,
                65086000, 65086000, 65086100, 65086105, 65086200, 65086203, 65875000, 65875003, 65875009, 65875009,
                65875101, 65875104, 65875200, 65875200, 65875501, 65875501, 65875601, 65875601, 65875900, 65875900,
                65876000, 65876002, 65876100, 65876103, 65876110, 65876110, 65876115, 65876116, 65876200, 65876201,
                65876500, 65876500, 65876504, 65876505, 65876600, 65876602, 65877100, 65877101, 65877600, 65877602,
                65877700, 65877700, 65877801, 65877802, 65878200, 65878202, 65878300, 65878311, 65878400, 65878405,
                65878500, 65878505, 65878600, 65878601, 65879800, 65879800, 65880800, 65880800, 65880900, 65880900,
            ]),
        Group(.discover, [6011, 6011, 644, 649, 65, 65]),
        Group(.jcb, [2131, 2131, 1800, 1800, 3528, 3589]),
        Group(
            .unionpay,
            [
                620, 620, 62100, 62182, 62184, 62187, 62185, 62197, 62200, 62205, 622010, 622999, 622018, 622018,
                62207, 62209, 623, 626, 6270, 6270, 6272, 6272, 6276, 6276, 627700, 627779, 627781, 627799, 6282, 6289,
                6291, 6291, 6292, 6292, 810, 810, 8110, 8131, 8132, 8151, 8152, 8163, 8164, 8171,
            ]),
        Group(
            .maestro, [493698, 493698, 500000, 504174, 504176, 506698, 506779, 508999, 56, 59, 63, 63, 67, 67, 6, 6]),
        Group(
            .elo,
            [
                401178, 401178, 401179, 401179, 438935, 438935, 457631, 457631, 457632, 457632, 431274, 431274,
                451416, 451416, 457393, 457393, 504175, 504175, 506699, 506778, 509000, 509999, 627780, 627780,
                636297, 636297, 636368, 636368, 650031, 650033, 650035, 650051, 650405, 650439, 650485, 650538,
                650541, 650598, 650700, 650718, 650720, 650727, 650901, 650978, 651652, 651679, 655000, 655019,
                655021, 655058,
            ]),
        Group(.mir, [2200, 2204]),
        Group(
            .hiper,
            [
                637095, 637095, 63737423, 63737423, 63743358, 63743358, 637568, 637568, 637599, 637599, 637609, 637609,
                637612, 637612,
            ]),
        Group(.hipercard, [606282, 606282]),
        Group(.naranja, [589562, 589562, 402918, 402918, 527572, 527572]),
        Group(
            .verve,
            [
                506099, 506127, 506129, 506129, 506133, 506150, 506158, 506163, 506166, 506166, 506168, 506168,
                506170, 506170, 506173, 506173, 506176, 506180, 506184, 506184, 506187, 506188, 506191, 506191,
                506195, 506195, 506197, 506197, 507865, 507865, 507866, 507866, 507868, 507877, 507880, 507888,
                507900, 507900, 507941, 507941,
            ]),
    ]

    /// Families outside the main table.
    static let families: [Family] = [
        Family("mada", [504300, 504300, 968201, 968209, 968211, 968211]),
        Family("uatp", [1175, 1175, 1290, 1290]),
        Family("jcb-legacy", [3088, 3094, 3096, 3102, 3112, 3120, 3158, 3159, 3337, 3349]),
        Family("carnet", [286900, 286900, 506199, 506499]),
        Family("synchrony", [700600, 700600]),
        Family("routex", [700674, 700674, 700676, 700676, 700678, 700678]),
        Family("bp-plus", [7050, 7059]),
        Family("dankort", [5019, 5019]),
        Family("maestro-no-luhn", [501080, 501082]),
        Family("cabal", [60420100, 60440099, 58965700, 58965799]),
        Family("tuya", [588800, 588800]),
        Family("sodexo", [606071, 606071]),
        Family("forbrugsforeningen", [600722, 600722]),
    ]
}
